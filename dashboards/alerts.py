"""What fires, and whether it reaches people."""

from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, none_wanted, rising
from dashboards.words import per_second

_FIRING = 'max by (severity) (amas_alerts_firing{job="api"})'

BOARD = Board(
    "amas-alerts",
    "AMAS: alerts",
    "What fires now, how it is told, and whether the engine itself works.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Critical",
                    "Alerts of this severity that fire now; each has a page in docs/runbook/alerts.",
                    Unit.COUNT,
                    'max(amas_alerts_firing{job="api", severity="critical"})',
                    none_wanted(),
                ),
                fact(
                    "All severities",
                    "Alerts that fire now.",
                    Unit.COUNT,
                    f"sum({_FIRING})",
                    none_wanted(),
                ),
                fact(
                    "Oldest notification",
                    "How long the oldest one has waited to be sent.",
                    Unit.SECONDS,
                    'max(amas_notifier_oldest_seconds{job="api"})',
                    rising(60, 300),
                ),
                fact(
                    "Failed notifications",
                    "Attempts of the last hour that were given up.",
                    Unit.COUNT,
                    'sum(increase(amas_notifications_total{job="api", result="failed"}[1h]))',
                    none_wanted(),
                ),
                fact(
                    "Last evaluation",
                    "Since any replica evaluated the rules.",
                    Unit.SECONDS,
                    'time() - max(amas_alert_last_evaluation_timestamp_seconds{job="api"})',
                    rising(60, 120),
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
            "Alerts",
            [
                Panel(
                    "Firing",
                    "By severity.",
                    Unit.COUNT,
                    [Query(_FIRING, "{{severity}}")],
                    is_stacked=True,
                    width=12,
                ),
                Panel(
                    "Begun and ended",
                    "In each quarter of an hour; more than 50 a minute are a storm.",
                    Unit.COUNT,
                    [
                        Query(
                            'sum by (status) (increase(amas_alert_transitions_total{job="api"}[15m]))',
                            "{{status}}",
                        )
                    ],
                    width=12,
                ),
            ],
        ),
        Row(
            "Telling",
            [
                Panel(
                    "Notifications",
                    "Attempts by how they ended; 12 a minute for each receiver, the rest is folded.",
                    Unit.OPERATIONS_PER_SECOND,
                    [Query(per_second('amas_notifications_total{job="api"}', "result"), "{{result}}")],
                ),
                Panel(
                    "Oldest notification",
                    "How long the oldest one has waited to be sent.",
                    Unit.SECONDS,
                    [Query('max(amas_notifier_oldest_seconds{job="api"})', "waits")],
                    rising(60, 300),
                ),
                Panel(
                    "Heartbeats",
                    "To the watchdog outside, which tells when they stop; none without `heartbeatUrl`.",
                    Unit.OPERATIONS_PER_SECOND,
                    [Query(per_second('amas_heartbeats_total{job="api"}', "result"), "{{result}}")],
                ),
            ],
        ),
        Row(
            "Engine",
            [
                Panel(
                    "Evaluation",
                    "What the last one of all rules took.",
                    Unit.SECONDS,
                    [Query('max(amas_alert_evaluation_seconds{job="api"})', "evaluation")],
                ),
                Panel(
                    "Leader",
                    "Which replica leads.",
                    Unit.COUNT,
                    [Query('amas_alert_leader{job="api"}', "{{instance}}")],
                ),
                Panel(
                    "Thrown switches",
                    "1 while somebody has thrown an emergency switch.",
                    Unit.COUNT,
                    [Query('max by (name) (amas_switch_on{job="api"})', "{{name}}")],
                ),
            ],
        ),
    ],
)
