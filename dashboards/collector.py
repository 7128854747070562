"""Whether the monitor itself works, and what it costs."""

from dashboards import words
from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, none_wanted, rising
from dashboards.words import per_second

BOARD = Board(
    "amas-collector",
    "AMAS: collector",
    "The monitor's own health: intervals, event loops, tasks, and the scrapes of Prometheus.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Oldest interval",
                    "Since the slowest replica ended an interval well; one is 30 s by default.",
                    Unit.SECONDS,
                    'max(time() - amas_collector_last_run_timestamp_seconds{job="api"})',
                    rising(60, 90),
                ),
                fact(
                    "Failed intervals",
                    "In the last hour, of all replicas.",
                    Unit.COUNT,
                    'sum(increase(amas_collector_errors_total{job="api"}[1h]))',
                    none_wanted(),
                ),
                fact(
                    "Tasks that ended",
                    "Loops that ended while their replica went on, in the last hour; it is replaced.",
                    Unit.COUNT,
                    'sum(increase(amas_tasks_ended_total{job="api"}[1h]))',
                    none_wanted(),
                ),
                fact(
                    "Event loop lag",
                    "Of the slowest replica; every request waits as long besides.",
                    Unit.SECONDS,
                    'max(amas_event_loop_lag_seconds{job="api"})',
                    rising(0.05, 0.1),
                ),
                fact(
                    "Targets away",
                    "Of Prometheus, of all parts.",
                    Unit.COUNT,
                    'count(up{job=~".+"} == 0) or vector(0)',
                    none_wanted(),
                ),
                fact(
                    "Leader",
                    "Exactly one replica evaluates the rules for all.",
                    Unit.COUNT,
                    'sum(amas_alert_leader{job="api"})',
                    all_wanted(),
                ),
            ],
        ),
        Row(
            "Collector",
            [
                Panel(
                    "Interval",
                    "From taking a snapshot to keeping it.",
                    Unit.SECONDS,
                    [Query('amas_collector_duration_seconds{job="api"}', "{{instance}}")],
                ),
                Panel(
                    "Event loop lag",
                    "How late each replica's event loop woke.",
                    Unit.SECONDS,
                    [Query('amas_event_loop_lag_seconds{job="api"}', "{{instance}}")],
                    rising(0.05, 0.1),
                ),
                Panel(
                    "Open files",
                    "Of each replica, connections included.",
                    Unit.COUNT,
                    [Query('process_open_fds{job="api"}', "{{instance}}")],
                ),
            ],
        ),
        Row(
            "Edge",
            [
                Panel(
                    "Requests by replica",
                    "The load balancer deals them out evenly.",
                    Unit.REQUESTS_PER_SECOND,
                    [Query(per_second(words.REQUESTS, "instance"), "{{instance}}")],
                ),
                Panel(
                    "Not let in",
                    "Requests with a key that is missing, unknown or of another scope.",
                    Unit.REQUESTS_PER_SECOND,
                    [Query(per_second('amas_keys_refused_total{job="api"}', "reason"), "{{reason}}")],
                ),
                Panel(
                    "Connections cut",
                    "Of clients that were too slow, by what they were slow at.",
                    Unit.OPERATIONS_PER_SECOND,
                    [Query(per_second('amas_connections_cut_total{job="api"}', "phase"), "{{phase}}")],
                ),
                Panel(
                    "Sessions at the load balancer",
                    "Open connections of clients.",
                    Unit.COUNT,
                    [Query('sum by (proxy) (haproxy_frontend_current_sessions{job="lb"})', "{{proxy}}")],
                ),
                Panel(
                    "Retried by the load balancer",
                    "Requests that met a replica that went away, and were sent to another.",
                    Unit.OPERATIONS_PER_SECOND,
                    [
                        Query(
                            per_second('haproxy_backend_retry_warnings_total{job="lb"}', "proxy"),
                            "{{proxy}}",
                        )
                    ],
                ),
                Panel(
                    "Servers of the load balancer",
                    "That passed their last check.",
                    Unit.COUNT,
                    [Query('sum by (proxy) (haproxy_backend_active_servers{job="lb"})', "{{proxy}}")],
                ),
            ],
        ),
        Row(
            "Prometheus",
            [
                Panel(
                    "Scrapes",
                    "How long each target took to answer.",
                    Unit.SECONDS,
                    [Query('max by (job) (scrape_duration_seconds{job=~".+"})', "{{job}}")],
                ),
                Panel(
                    "Samples",
                    "By part, in one scrape.",
                    Unit.COUNT,
                    [Query('sum by (job) (scrape_samples_scraped{job=~".+"})', "{{job}}")],
                    is_stacked=True,
                ),
                Panel(
                    "Series",
                    "In the head of Prometheus.",
                    Unit.COUNT,
                    [Query('prometheus_tsdb_head_series{job="prometheus"}', "series")],
                ),
            ],
        ),
    ],
)
