import json
from dataclasses import replace

import pytest

from runbook.api import Answer
from runbook.checks import Check, Seen, judge, passed
from runbook.exposition import Exposition, parse
from runbook.present import Missing


def scrape(
    replica: int = 1,
    requests: int = 1000,
    errors: int = 5,
    queue: int = 125,
    quick: int = 1000,
    hits: str = "amas_cache_hits",
) -> Exposition:
    return parse(f"""\
# TYPE amas_queue_size gauge
amas_queue_size{{type="decision"}} {queue}
# TYPE amas_decision_write_duration histogram
amas_decision_write_duration_bucket{{le="100"}} {quick}
amas_decision_write_duration_bucket{{le="500"}} {quick}
amas_decision_write_duration_bucket{{le="1000"}} 1000
amas_decision_write_duration_bucket{{le="+Inf"}} 1000
amas_decision_write_duration_count 1000
amas_decision_write_duration_sum 1
# TYPE http_errors counter
http_errors_total{{status="500"}} {errors}
http_errors_total{{status="404"}} 900
# TYPE amas_http_requests counter
amas_http_requests_total{{route="health",class="2xx"}} {requests}
# TYPE {hits} counter
{hits}_total 1
# TYPE amas_cache_misses counter
amas_cache_misses_total 1
# TYPE process_start_time_seconds gauge
process_start_time_seconds {replica}
""")


def values(**changes: float) -> Answer:
    """Of a healthy service, with the changes."""
    usual = {"queue.size": 125.0, "decision.latency.p99": 42.0, "http.error_rate.5xx": 0.5}
    shown = {name: {"value": value, "samples": 1000} for name, value in (usual | changes).items()}
    return Answer(200, json.dumps({"at": "2026-01-01T00:00:00.000Z", "values": shown}))


WELL = Seen(
    health=Answer(200, '{"status":"ok","timestamp":"2026-01-01T00:00:00.000Z"}'),
    scrapes=[scrape(requests=1000), scrape(requests=1001)],
    values=values(),
    alerts=Answer(200, "[]"),
    history=Answer(200, "[]"),
    rate=Answer(200, '{"window":"24h","hours":[{"hour":"2026-01-01T00:00:00Z","insightsWritten":120}]}'),
)


def line(seen: Seen, name: str) -> Check:
    return next(check for check in judge(seen) if check.name == name)


def test_a_healthy_service_passes_every_check() -> None:
    checks = judge(WELL)
    assert [check.state for check in checks] == ["ok"] * 9
    assert [check.section for check in checks] == [
        "2.1",
        "2.2",
        "6.1",
        "2.2",
        "2.2",
        "2.2",
        "2.3",
        "6.2",
        "6.3",
    ]
    assert passed(checks)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, ""),
        Answer(200, '{"status":"draining","timestamp":"2026-01-01T00:00:00Z"}'),
        Answer(200, '{"status":"ok"}'),
        Answer(200, '{"status":"ok","timestamp":"yesterday"}'),
        Answer(200, "<html>"),
        Missing("connection refused"),
    ],
)
def test_health_in_any_other_shape_fails(answer: Answer | Missing) -> None:
    assert line(replace(WELL, health=answer), "health").state == "failed"


@pytest.mark.parametrize(
    ("name", "scrapes"),
    [
        ("metrics", [scrape(hits="something_else")]),
        ("collector", [scrape(), scrape()]),
    ],
)
def test_an_exposition_that_is_not_as_it_should_be_fails(name: str, scrapes: list[Exposition]) -> None:
    seen = replace(WELL, scrapes=scrapes)
    assert line(seen, name).state == "failed"
    assert not passed(judge(seen))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("queue depth", {"queue.size": 500}),
        ("error rate", {"http.error_rate.5xx": 1}),
        ("decision write P99", {"decision.latency.p99": 500}),
    ],
)
def test_a_value_at_its_limit_fails(name: str, seen: dict[str, float]) -> None:
    found = replace(WELL, values=values(**seen))
    assert line(found, name).state == "failed"
    assert not passed(judge(found))


def test_what_went_wrong_last_week_is_not_judged_today() -> None:
    """The scrape's totals since the start say 900 of 1,000 writes were slow and most requests failed."""
    past = replace(
        WELL, scrapes=[scrape(requests=1000, errors=900, quick=100), scrape(1, 1001, 900, quick=100)]
    )
    assert [check.state for check in judge(past)] == ["ok"] * 9


def test_a_figure_is_told_with_what_stands_behind_it() -> None:
    found = line(WELL, "error rate")
    assert (found.value, found.target, found.reason) == ("0.50 %", "< 1 %", "1000 in the last 5 minutes")


def test_every_replica_is_looked_at() -> None:
    """The load balancer answers a scrape by any of them."""
    two = [scrape(1, 1000), scrape(2, 10), scrape(1, 1001), scrape(2, 11)]
    assert line(replace(WELL, scrapes=two), "collector").value == "2 of 2 alive"


def test_a_replica_seen_once_says_nothing_about_its_collector() -> None:
    assert line(replace(WELL, scrapes=[scrape(1), scrape(2)]), "collector").state == "unknown"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, '{"values": {}}'), "nothing was measured in the last 5 minutes"),
        (Answer(404, "{}"), "/api/about/values answered 404"),
        (Answer(200, "[]"), "/api/about/values answered in another form: '[]'"),
        (Missing("connection refused"), "connection refused"),
    ],
)
def test_what_was_not_measured_is_unknown(answer: Answer | Missing, reason: str) -> None:
    found = line(replace(WELL, values=answer), "decision write P99")
    assert (found.state, found.reason) == ("unknown", reason)


def test_metrics_that_cannot_be_read_fail_with_the_reason() -> None:
    found = line(replace(WELL, scrapes=Missing("answered 401: 'key'")), "metrics")
    assert (found.state, found.reason) == ("failed", "answered 401: 'key'")


def test_an_alert_on_this_very_check_does_not_keep_it_failing() -> None:
    own = [{"metric": "job.health.failed", "message": "x"}, {"metric": "job.health.late_s", "message": "y"}]
    found = judge(replace(WELL, alerts=Answer(200, json.dumps(own))))
    assert passed(found)


def test_a_firing_alert_fails_and_is_named() -> None:
    alert = {"metric": "decision.latency.p99", "message": "Decision latency P99 exceeds 500ms"}
    found = line(replace(WELL, alerts=Answer(200, json.dumps([alert]))), "active alerts")
    assert (found.state, found.value) == ("failed", "1")
    assert found.reason == "decision.latency.p99: Decision latency P99 exceeds 500ms"


def test_a_refused_read_names_the_key_it_needs() -> None:
    found = line(replace(WELL, alerts=Answer(401, "{}")), "active alerts")
    assert (found.state, found.reason) == ("failed", "401: needs a read key (AMAS_READ_KEY_FILE)")


@pytest.mark.parametrize(("length", "state"), [(200, "ok"), (201, "failed")])
def test_the_history_is_bounded(length: int, state: str) -> None:
    assert line(replace(WELL, history=Answer(200, json.dumps([{}] * length))), "alert history").state == state


@pytest.mark.parametrize(
    ("answer", "state", "value"),
    [
        (Answer(200, '{"hours": []}'), "ok", "0"),
        (Answer(200, '{"hours": [{"insightsWritten": 100}, {"insightsWritten": 300}]}'), "ok", "200"),
        (Answer(404, "{}"), "unknown", ""),
        (Answer(200, '"?"'), "unknown", ""),
        (Answer(200, '{"hours": [1]}'), "unknown", ""),
        (Missing("timed out"), "unknown", ""),
    ],
)
def test_the_write_rate_is_said_and_never_fails(answer: Answer | Missing, state: str, value: str) -> None:
    found = line(replace(WELL, rate=answer), "insights per hour")
    assert (found.state, found.value) == (state, value)
