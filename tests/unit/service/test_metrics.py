"""The series themselves."""

from prometheus_client.parser import text_string_to_metric_families

from service.insights.decision import Outcome
from service.metrics import Metrics


def rendered(metrics: Metrics) -> dict[str, float]:
    text = metrics.render("")[0].decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{one.name}{sorted(one.labels.items())}": one.value for one in samples}


def test_milliseconds_and_seconds_tell_the_same() -> None:
    metrics = Metrics("test")
    metrics.wrote(Outcome.STORED, [0.0004, 0.5, 0.51, 9.0])
    samples = rendered(metrics)
    assert samples["amas_decision_write_duration_bucket[('le', '1')]"] == 1
    assert samples["amas_decision_write_duration_bucket[('le', '500')]"] == 2
    assert samples["amas_decision_write_duration_bucket[('le', '1000')]"] == 3
    assert samples["amas_decision_write_duration_bucket[('le', '+Inf')]"] == 4
    assert samples["amas_decision_write_duration_seconds_bucket[('le', '0.5')]"] == 2
    assert round(samples["amas_decision_write_duration_sum[]"]) == 10010


def test_a_status_without_a_series_of_its_own_falls_into_its_class() -> None:
    metrics = Metrics("test")
    metrics.requests.answered("health", 418, 0.1)
    metrics.requests.answered("health", 599, 0.1)
    samples = rendered(metrics)
    assert samples["http_errors_total[('status', '4xx')]"] == 1
    assert samples["http_errors_total[('status', '5xx')]"] == 1


def test_the_page_stays_short() -> None:
    """Rendering takes about 7 microseconds a line, and every label set is fixed."""
    assert len(Metrics("test").render("")[0].splitlines()) < 800


def test_totals_for_the_snapshots_are_those_of_the_series() -> None:
    metrics = Metrics("test")
    metrics.wrote(Outcome.STORED, [0.1, 0.2])
    metrics.wrote(Outcome.DUPLICATE, [0.1])
    metrics.wrote(Outcome.CONFLICT, [0.1])
    metrics.cache_hits.inc()
    metrics.cache_misses.inc(3)
    counters = metrics.counters()
    assert (counters.stored, counters.duplicate, counters.conflict) == (2, 1, 1)
    assert (counters.cache_hits, counters.cache_misses) == (1, 3)
    assert counters.cpu_s > 0


def test_the_collector_tells_about_itself() -> None:
    metrics = Metrics("test")
    metrics.collected(1_700_000_000.5, 0.004)
    metrics.collector_failed()
    samples = rendered(metrics)
    assert samples["amas_collector_last_run_timestamp_seconds[]"] == 1_700_000_000.5
    assert samples["amas_collector_duration_seconds[]"] == 0.004
    assert samples["amas_collector_errors_total[]"] == 1


def test_a_request_is_in_its_buckets_its_sum_and_its_class() -> None:
    metrics = Metrics("test")
    metrics.requests.answered("decisions", 201, 0.0075)
    samples = rendered(metrics)
    name = "amas_http_request_duration_seconds"
    assert samples[f"{name}_bucket[('le', '0.005'), ('route', 'decisions')]"] == 0
    assert samples[f"{name}_bucket[('le', '0.01'), ('route', 'decisions')]"] == 1
    assert samples[f"{name}_bucket[('le', '+Inf'), ('route', 'decisions')]"] == 1
    assert samples[f"{name}_sum[('route', 'decisions')]"] == 0.0075
    assert samples["amas_http_requests_total[('class', '2xx'), ('route', 'decisions')]"] == 1


def test_the_open_metrics_form_is_complete_too() -> None:
    body, kind = Metrics("test").render("application/openmetrics-text; version=1.0.0")
    assert "openmetrics" in kind
    assert body.endswith(b"# EOF\n")
