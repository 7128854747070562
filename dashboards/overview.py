"""Whether all is well, and how much there is to do."""

from dashboards import words
from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, falling, none_wanted, rising
from dashboards.words import per_second, quantile

_ERRORS = 'http_errors_total{job="api"}'
_CPU = 'node_cpu_seconds_total{job="host"}'
_CPU_IDLE = 'node_cpu_seconds_total{job="host", mode=~"idle|iowait"}'

BOARD = Board(
    "amas-overview",
    "AMAS: overview",
    "The service level objectives, the load, and every part of the stack.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Alerts firing",
                    "Of all severities; the board of the alerts tells which.",
                    Unit.COUNT,
                    'max(sum by (instance) (amas_alerts_firing{job="api"}))',
                    none_wanted(),
                ),
                fact(
                    "P95 latency",
                    "Of all requests. Objective: below 200 ms, alert above 250 ms.",
                    Unit.SECONDS,
                    quantile(0.95, words.DURATIONS),
                    rising(words.P95_TARGET_S, words.P95_ALERT_S),
                ),
                fact(
                    "P99 latency",
                    "Of all requests. Objective: below 500 ms, alert above 600 ms.",
                    Unit.SECONDS,
                    quantile(0.99, words.DURATIONS),
                    rising(words.P99_TARGET_S, words.P99_ALERT_S),
                ),
                fact(
                    "Error rate",
                    "Answers of class 5xx among all. Objective: below 1 %, alert above 2 %.",
                    Unit.RATIO,
                    words.ERROR_RATE,
                    rising(words.ERRORS_TARGET, words.ERRORS_ALERT),
                ),
                fact(
                    "Cache hit rate",
                    "Of insights asked for by id. Objective: above 80 %, alert below 70 %.",
                    Unit.RATIO,
                    words.HIT_RATE,
                    falling(words.HITS_ALERT, words.HITS_TARGET),
                ),
                fact(
                    "Replicas serving",
                    "Replicas of the service that Prometheus reaches; two survive the loss of one.",
                    Unit.COUNT,
                    'sum(up{job="api"})',
                    all_wanted(2),
                ),
            ],
        ),
        Row(
            "Load",
            [
                Panel(
                    "Requests",
                    "By route, as the replicas answered them.",
                    Unit.REQUESTS_PER_SECOND,
                    [Query(f"{per_second(words.REQUESTS, 'route')} > 0", "{{route}}")],
                    is_stacked=True,
                    width=12,
                ),
                Panel(
                    "Latency",
                    "Percentiles of all requests of all replicas; the lines are objective and alert.",
                    Unit.SECONDS,
                    [
                        Query(quantile(0.5, words.DURATIONS), "P50"),
                        Query(quantile(0.95, words.DURATIONS), "P95"),
                        Query(quantile(0.99, words.DURATIONS), "P99"),
                    ],
                    rising(words.P95_TARGET_S, words.P95_ALERT_S),
                    width=12,
                ),
                Panel(
                    "Errors",
                    "Answers of 4xx and 5xx by status.",
                    Unit.REQUESTS_PER_SECOND,
                    [
                        Query(
                            f"{per_second(_ERRORS, 'status')} > 0 or vector(0)",
                            "{{status}}",
                        )
                    ],
                ),
                Panel(
                    "Decisions",
                    "By what became of them: stored is in the database, spooled waits on disk for it.",
                    Unit.ROWS_PER_SECOND,
                    [Query(per_second('amas_decisions_total{job="api"}', "result"), "{{result}}")],
                ),
                Panel(
                    "Waiting decisions",
                    "Taken and not yet answered, and spooled while the database is away.",
                    Unit.COUNT,
                    [
                        Query('sum(amas_queue_size{job="api", type="decision"})', "queue"),
                        Query('max(amas_spool_length{job="api"})', "spool"),
                    ],
                ),
            ],
        ),
        Row(
            "Parts",
            [
                Panel(
                    "Reached by Prometheus",
                    "1 for each target that answers; `job` is the part.",
                    Unit.COUNT,
                    [Query('min by (job) (up{job=~".+"})', "{{job}}")],
                ),
                Panel(
                    "CPU of the replicas",
                    "Seconds of one core a second; a replica is one process.",
                    Unit.RATIO,
                    [Query(f'rate(process_cpu_seconds_total{{job="api"}}[{words.WINDOW}])', "{{instance}}")],
                    rising(0.7, 0.9),
                ),
                Panel(
                    "Memory of the replicas",
                    "Resident; the limit is `apiMemoryMb`.",
                    Unit.BYTES,
                    [Query('process_resident_memory_bytes{job="api"}', "{{instance}}")],
                ),
                Panel(
                    "CPU of the host",
                    "Of all cores, without what is idle or waits for disks.",
                    Unit.RATIO,
                    [
                        Query(
                            f"1 - {per_second(_CPU_IDLE)} / {per_second(_CPU)}",
                            "busy",
                        )
                    ],
                    rising(0.7, 0.9),
                ),
                Panel(
                    "Memory of the host",
                    "What programs can still get, beside all there is.",
                    Unit.BYTES,
                    [
                        Query('node_memory_MemAvailable_bytes{job="host"}', "available"),
                        Query('node_memory_MemTotal_bytes{job="host"}', "all"),
                    ],
                ),
                Panel(
                    "Load balancer",
                    "Answers to clients by class, as the load balancer counted them.",
                    Unit.REQUESTS_PER_SECOND,
                    [
                        Query(
                            per_second('haproxy_frontend_http_responses_total{job="lb"}', "code"),
                            "{{code}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)
