"""PromQL that several boards say alike; the numbers are the runbook's objectives."""

from dashboards.board import Mark

WINDOW = "$__rate_interval"

P95_TARGET_S, P95_ALERT_S = 0.2, 0.25
P99_TARGET_S, P99_ALERT_S = 0.5, 0.6
ERRORS_TARGET, ERRORS_ALERT = 0.01, 0.02
HITS_ALERT, HITS_TARGET = 0.7, 0.8


def per_second(selector: str, *labels: str) -> str:
    """A counter's rate, summed; by labels where they are named."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (rate({selector}[{WINDOW}]))"


def quantile(share: float, histogram: str, *labels: str) -> str:
    """From the buckets of all replicas together."""
    by = ", ".join(("le", *labels))
    return f"histogram_quantile({share}, sum by ({by}) (rate({histogram}[{WINDOW}])))"


def ratio(part: str, whole: str) -> str:
    """No value where there is nothing of which it could be a part."""
    return f"({part}) / (({whole}) > 0)"


REQUESTS = 'amas_http_requests_total{job="api"}'
FAILED = 'amas_http_requests_total{job="api", class="5xx"}'
DURATIONS = 'amas_http_request_duration_seconds_bucket{job="api"}'
WRITES = 'amas_decision_write_duration_seconds_bucket{job="api"}'
HITS = 'amas_cache_hits_total{job="api"}'
MISSES = 'amas_cache_misses_total{job="api"}'
HIT_RATE = ratio(per_second(HITS), f"{per_second(HITS)} + {per_second(MISSES)}")
ERROR_RATE = f"{ratio(per_second(FAILED), per_second(REQUESTS))} or vector(0)"

# On every board: what explains a peak before anybody asks.
MARKS = (
    Mark("Alerts", 'max by (severity) (amas_alerts_firing{job="api"}) > 0', "{{severity}} alert", "red"),
    Mark(
        "Load tests",
        'max by (test, profile, release) (amas_loadtest_last_run_timestamp_seconds{job="api"}) * 1000',
        "{{test}} {{profile}} of {{release}} ended",
        "blue",
        is_moment=True,
    ),
)
