"""What the last load tests said, release by release."""

from dashboards import words
from dashboards.board import Board, Panel, Query, Row, Unit, all_wanted, fact, rising
from dashboards.words import per_second, quantile

_HIGHEST = 'amas_loadtest_highest_good_requests_per_second{job="api"}'
_RUN = "{{test}} {{profile}} {{release}}"
_BY_RUN = "max by (test, profile, release)"


def _newest(metric: str) -> str:
    """Of whatever run ended last."""
    ended = 'amas_loadtest_last_run_timestamp_seconds{job="api"}'
    return f'max({metric}{{job="api"}} and on (test, profile, release) ({ended} == scalar(max({ended}))))'


def _by_run(metric: str) -> str:
    return f'{_BY_RUN} ({metric}{{job="api"}})'


BOARD = Board(
    "amas-loadtests",
    "AMAS: load tests",
    "Verdicts and figures of the runs that were kept, and what the service itself measured meanwhile.",
    [
        Row(
            "Is it well?",
            [
                fact(
                    "Last run",
                    "1 when it passed; a run that measured nothing is no pass.",
                    Unit.COUNT,
                    _newest("amas_loadtest_passed"),
                    all_wanted(),
                ),
                fact(
                    "Since the last run",
                    "One is due weekly where `loadTestSchedule` is set.",
                    Unit.SECONDS,
                    'time() - max(amas_loadtest_last_run_timestamp_seconds{job="api"})',
                ),
                fact(
                    "P95",
                    "Of the last run, as its client measured it.",
                    Unit.SECONDS,
                    _newest("amas_loadtest_p95_seconds"),
                    rising(words.P95_TARGET_S, words.P95_ALERT_S),
                ),
                fact(
                    "P99",
                    "Of the last run, as its client measured it.",
                    Unit.SECONDS,
                    _newest("amas_loadtest_p99_seconds"),
                    rising(words.P99_TARGET_S, words.P99_ALERT_S),
                ),
                fact(
                    "Errors",
                    "Requests of the last run that failed, of all.",
                    Unit.RATIO,
                    _newest("amas_loadtest_error_ratio"),
                    rising(words.ERRORS_TARGET, words.ERRORS_ALERT),
                ),
                fact(
                    "Rate",
                    "Requests a second that the last run achieved.",
                    Unit.REQUESTS_PER_SECOND,
                    _newest("amas_loadtest_requests_per_second"),
                ),
            ],
        ),
        Row(
            "Release by release",
            [
                Panel(
                    "P95",
                    "Of the last run of each test, profile and release.",
                    Unit.SECONDS,
                    [Query(_by_run("amas_loadtest_p95_seconds"), _RUN)],
                    rising(words.P95_TARGET_S, words.P95_ALERT_S),
                    width=12,
                ),
                Panel(
                    "P99",
                    "Of the last run of each test, profile and release.",
                    Unit.SECONDS,
                    [Query(_by_run("amas_loadtest_p99_seconds"), _RUN)],
                    rising(words.P99_TARGET_S, words.P99_ALERT_S),
                    width=12,
                ),
                Panel(
                    "Rate",
                    "Achieved requests a second of the last run of each.",
                    Unit.REQUESTS_PER_SECOND,
                    [Query(_by_run("amas_loadtest_requests_per_second"), _RUN)],
                ),
                Panel(
                    "Errors",
                    "Requests that failed, of all, in the last run of each.",
                    Unit.RATIO,
                    [Query(_by_run("amas_loadtest_error_ratio"), _RUN)],
                    rising(words.ERRORS_TARGET, words.ERRORS_ALERT),
                ),
                Panel(
                    "Passed",
                    "1 where the last run of each passed.",
                    Unit.COUNT,
                    [Query(_by_run("amas_loadtest_passed"), _RUN)],
                ),
            ],
        ),
        Row(
            "Meanwhile",
            [
                Panel(
                    "Requests",
                    "As the replicas counted them.",
                    Unit.REQUESTS_PER_SECOND,
                    [Query(per_second(words.REQUESTS, "class"), "{{class}}")],
                ),
                Panel(
                    "Latency",
                    "As the replicas measured it; the difference to the run is the way there.",
                    Unit.SECONDS,
                    [
                        Query(quantile(0.95, words.DURATIONS), "P95"),
                        Query(quantile(0.99, words.DURATIONS), "P99"),
                    ],
                ),
                Panel(
                    "CPU of the replicas",
                    "Seconds of one core a second; near 1 the replica is what binds.",
                    Unit.RATIO,
                    [Query(f'rate(process_cpu_seconds_total{{job="api"}}[{words.WINDOW}])', "{{instance}}")],
                    rising(0.7, 0.9),
                ),
            ],
        ),
        Row(
            "Capacity",
            [
                Panel(
                    "Highest good rate",
                    "Requests a second up to which the last breakpoint run held its thresholds; "
                    "`amas capacity` uses it.",
                    Unit.REQUESTS_PER_SECOND,
                    [
                        Query(
                            f"max by (test, release) ({_HIGHEST})",
                            "{{test}} {{release}}",
                        )
                    ],
                    width=24,
                )
            ],
        ),
    ],
)
