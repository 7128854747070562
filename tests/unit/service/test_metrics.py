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
    assert len(Metrics("test").render("")[0].splitlines()) < 500
