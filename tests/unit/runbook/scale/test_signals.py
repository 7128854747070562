"""One look from what the agent and the service tell."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from runbook.api import Api
from runbook.errors import CheckFailed
from runbook.scale.decide import Blind, Replica, Signals
from runbook.scale.signals import Told, look, understood

NOW = 1000.0
ID = "0123456789ab" + "c" * 52


def replica(**changes: Any) -> dict[str, Any]:
    held = {"id": ID, "name": "x", "burst": False, "healthy": True, "stale": False, "ageSeconds": 500.0}
    return {**held, "memoryBytes": 1000, **changes}


def report(**changes: Any) -> dict[str, Any]:
    told = {
        "id": "0123456789ab-ff00ee",
        "ageSeconds": 3.0,
        "cpuPercent": 55.0,
        "rssBytes": 400,
        "draining": False,
    }
    return {**told, "queue": {"size": 1, "ageSeconds": 0.5}, **changes}


def monitoring(*reports: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    collector = {"isRunning": True, "stale": False, "intervalMs": 10_000}
    return {"shared": True, "collector": collector | changes, "replicas": list(reports)}


SERIES = {
    "intervalSeconds": 10.0,
    "at": [980.0, 990.0, 1000.0],
    "p95": [1.0, 30.0, 9.0],
    "throughput": [9.0, 9.0, 9.0],
}
VALUES = {"values": {"db.up": {"value": 1.0, "samples": 1}}}


def told(**changes: Any) -> Told:
    fields: dict[str, Any] = {
        "agent": {"rolling": False, "replicas": [replica()]},
        "monitoring": monitoring(report()),
        "series": SERIES,
        "values": VALUES,
    }
    return Told(**(fields | changes))


def test_a_look_has_each_replica_with_what_it_reports() -> None:
    found = understood(told(), NOW)
    expected = Replica("0123456789ab", cpu_percent=55.0, memory_percent=40.0)
    assert found == Signals((expected,), p95_ms=30.0, queue_age_s=0.5)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (monitoring(report(), stale=True), "collector does not run"),
        (monitoring(report(), isRunning=False), "collector does not run"),
        (monitoring(report()) | {"shared": False}, "do not share"),
        (monitoring(report(ageSeconds=26.0)), "no replica reports"),
        (monitoring(report(draining=True)), "no replica reports"),
        (monitoring(report(id="ffffffffffff-1")), "no replica reports"),
    ],
)
def test_what_does_not_tell_of_now_is_blind(seen: dict[str, Any], words: str) -> None:
    found = understood(told(monitoring=seen), NOW)
    assert isinstance(found, Blind)
    assert words in found.reason


def test_a_replica_that_was_just_started_says_nothing_yet() -> None:
    """Its report is of the process before it."""
    both = {"rolling": True, "replicas": [replica(), replica(id="f" * 64, ageSeconds=2.0)]}
    seen = monitoring(report(), report(id="ffffffffffff-1", ageSeconds=3.0))
    found = understood(told(agent=both, monitoring=seen), NOW)
    assert isinstance(found, Signals)
    assert found.rolling
    assert [one.reports for one in found.replicas] == [True, False]


def test_a_replica_that_has_only_joined_says_nothing_yet() -> None:
    both = {"rolling": False, "replicas": [replica(), replica(id="f" * 64)]}
    seen = monitoring(report(), report(id="ffffffffffff-1", cpuPercent=None))
    found = understood(told(agent=both, monitoring=seen), NOW)
    assert isinstance(found, Signals)
    assert [one.reports for one in found.replicas] == [True, False]
    assert found.cpu_percent == 55.0


def test_of_two_reports_of_one_container_the_newer_counts() -> None:
    seen = monitoring(report(cpuPercent=1.0, ageSeconds=1.0), report(id="0123456789ab-00", cpuPercent=99.0))
    found = understood(told(monitoring=seen), NOW)
    assert isinstance(found, Signals)
    assert found.cpu_percent == 1.0


@pytest.mark.parametrize(
    ("series", "p95"),
    [
        (SERIES | {"throughput": [9.0, 1.9, 9.0]}, None),
        (SERIES | {"p95": [1.0, None, 9.0]}, None),
        (SERIES | {"at": [940.0, 950.0, 960.0]}, None),
        (SERIES | {"at": [], "p95": [], "throughput": []}, None),
        (SERIES | {"at": [975.0, 985.0, 995.0]}, 9.0),
    ],
    ids=["few requests", "none", "old", "empty", "the last has ended"],
)
def test_the_latency_is_of_the_last_interval_that_has_ended(
    series: dict[str, Any], p95: float | None
) -> None:
    found = understood(told(series=series), NOW)
    assert isinstance(found, Signals)
    assert found.p95_ms == p95


def test_a_database_that_is_away_is_seen() -> None:
    away = {"values": {"db.up": {"value": 0.0, "samples": 1}}}
    found = understood(told(values=away), NOW)
    assert isinstance(found, Signals)
    assert not found.database_up


def answering(answers: Mapping[str, Any]) -> Api:
    def answer(request: httpx.Request) -> httpx.Response:
        body = answers.get(request.url.path)
        return httpx.Response(503 if body is None else 200, json=body)

    return Api("http://lb.test", transport=httpx.MockTransport(answer))


ANSWERS = {
    "/api/about/monitoring": monitoring(report()),
    "/api/about/series": SERIES,
    "/api/about/values": VALUES,
}
AGENT = {"rolling": False, "replicas": [replica()]}


def test_a_look_asks_the_agent_and_the_service() -> None:
    with answering(ANSWERS) as api:
        assert look(lambda: AGENT, api, NOW) == understood(told(), NOW)


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("body", [None, {}, {"collector": 1}], ids=["503", "empty", "another form"])
def test_an_answer_that_is_missing_or_of_another_form_is_blind(path: str, body: Any) -> None:
    with answering(ANSWERS | {path: body}) as api:
        assert isinstance(look(lambda: AGENT, api, NOW), Blind)


def test_an_agent_that_is_away_is_blind() -> None:
    def away() -> dict[str, Any]:
        raise CheckFailed("the agent does not answer: gone")

    with answering(ANSWERS) as api:
        assert look(away, api, NOW) == Blind("the agent does not answer: gone")
