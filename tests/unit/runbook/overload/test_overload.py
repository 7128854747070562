import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook import cli, reach
from runbook.api import Api, Keys
from runbook.overload import command
from runbook.overload.judge import (
    COLLECTION,
    Host,
    Load,
    Seen,
    proposals,
    reliefs,
    to_start,
    to_stop,
    why_not_more,
)
from runbook.stack import Setting
from runbook.switches import Switch
from runbook.testing import MemoryEngine, container

CALM = Load("r1", cpu_percent=12.0, lag_ms=3.0, queue_rows=0, rss_bytes=10**8)
BUSY = replace(CALM, replica="r2", cpu_percent=97.0)
IDLE_HOST, FULL_HOST = Host(8, 1.0), Host(2, 9.0)
OFF, ON = Switch(COLLECTION, on=False), Switch(COLLECTION, on=True, reason="amas overload --relieve")
PARTS = [
    container("api"),
    container("db"),
    container("scheduler"),
    container("host-exporter"),
    container("backup"),
]


def seen(*loads: Load, host: Host = IDLE_HOST, most: int = 8) -> Seen:
    return Seen(list(loads), host, 100.0, replicas=2, most_replicas=most)


@pytest.mark.parametrize(
    ("change", "overloaded"),
    [
        ({}, False),
        ({"cpu_percent": 90.0}, False),
        ({"cpu_percent": 90.1}, True),
        ({"lag_ms": 251.0}, True),
        ({"queue_rows": 501}, True),
    ],
)
def test_cpu_lag_and_queue_each_tell(change: dict[str, Any], overloaded: bool) -> None:
    assert replace(CALM, **change).overloaded is overloaded


def test_nothing_is_proposed_while_all_is_calm() -> None:
    assert proposals(seen(CALM), reliefs(PARTS, [OFF])) == []
    assert why_not_more(seen(CALM)) is None


def test_what_can_wait_is_proposed_before_another_replica() -> None:
    assert proposals(seen(CALM, BUSY), reliefs(PARTS, [OFF])) == [
        "amas overload --relieve",
        "./scripts/up --config replicas=3",
    ]


def test_a_full_host_is_given_no_further_replica_and_told_why() -> None:
    found = seen(BUSY, host=FULL_HOST)
    assert all("replicas=" not in one for one in proposals(found, []))
    assert "all in use" in (why_not_more(found) or "")


def test_the_connection_budget_bounds_the_replicas() -> None:
    found = seen(BUSY, most=2)
    assert proposals(found, []) == []
    assert "no more than 2 replicas" in (why_not_more(found) or "")


def test_only_what_can_wait_is_listed() -> None:
    assert [one.name for one in reliefs(PARTS, [OFF])] == ["scheduler", "host-exporter", COLLECTION]


@given(parts=st.sets(st.sampled_from(["api", "db", "queue", "cache", "lb", "backup", "prometheus"])))
def test_what_serves_or_keeps_decisions_is_never_stopped(parts: set[str]) -> None:
    assert to_stop(reliefs([container(part) for part in parts], []), ()) == []


def test_a_switch_thrown_for_another_reason_stays() -> None:
    theirs = Switch(COLLECTION, on=True, reason="maintenance")
    found = reliefs([], [theirs])
    assert to_start(found, (), [theirs]) == ([], found)
    ours = reliefs([], [ON])
    assert to_start(ours, (), [ON]) == (ours, [])


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MemoryEngine:
    engine = MemoryEngine(held=list(PARTS))
    monkeypatch.setattr(command, "connect", lambda: engine)
    return engine


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, configured: dict[str, Setting]) -> dict[str, Any]:
    """A service with one switch and one replica."""
    switch: dict[str, Any] = {"name": COLLECTION, "on": False}
    replica = {"id": "r1", "cpuPercent": 97, "eventLoopLagSeconds": 0.5, "queue": {"size": 3}, "rssBytes": 1}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            switch.update(json.loads(request.content))
            return httpx.Response(200, json=switch)
        bodies = {
            "/api/switches": {"switches": [switch]},
            "/api/about/monitoring": {"replicas": [replica]},
            "/api/about/slo": {"rows": [{"id": "throughput", "value": 7.5}]},
        }
        return httpx.Response(200, json=bodies[request.url.path])

    def api_of(_stack: str) -> Api:
        return Api("http://service.test", Keys(admin="a"), httpx.MockTransport(answer))

    monkeypatch.setattr(reach, "api_of", api_of)
    return {"replica": replica, "switch": switch}


def amas(*words: str) -> int:
    return cli.run(
        lambda: cli.app(["overload", *words], prog_name="amas", standalone_mode=False), as_json=False
    )


def test_relief_needs_a_consent_and_can_be_undone(engine: MemoryEngine, service: dict[str, Any]) -> None:
    assert amas("--relieve") == 2
    assert engine.commands == []
    assert amas("--relieve", "--yes") == 0
    assert [one[1] for one in engine.commands] == ["amas-local-scheduler", "amas-local-host-exporter"]
    assert service["switch"]["on"]
    assert amas("--undo") == 0
    assert {one.part: one.state for one in engine.held} == dict.fromkeys(
        ("api", "db", "scheduler", "host-exporter", "backup"), "running"
    )
    assert not service["switch"]["on"]


def test_only_what_is_named_is_stopped(engine: MemoryEngine, service: dict[str, Any]) -> None:
    assert amas("scheduler", "--relieve", "--yes") == 0
    assert [one[1] for one in engine.commands] == ["amas-local-scheduler"]
    assert not service["switch"]["on"]


@pytest.mark.parametrize("words", [["db", "--relieve"], ["backup", "--relieve"], ["--relieve", "--undo"]])
def test_what_cannot_wait_is_refused(words: list[str], engine: MemoryEngine, service: dict[str, Any]) -> None:
    assert amas(*words, "--yes") == 2
    assert engine.commands == []


def test_a_replica_that_has_only_joined_is_shown_without_its_cpu(
    engine: MemoryEngine, service: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    service["replica"] |= {"cpuPercent": None, "eventLoopLagSeconds": 0.0}
    assert amas() == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("r1"))
    assert line.split()[:3] == ["r1", "ok", "-"]


def test_an_overloaded_replica_exits_with_1(
    engine: MemoryEngine, service: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas() == 1
    told = capsys.readouterr().out
    assert "next      amas overload --relieve" in told
    assert max(len(line.rstrip()) for line in told.splitlines() if line.startswith(("replica", "r1"))) <= 60
