"""The whole way against the service's own way in: what is planted must be found, and nothing else."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from runbook import terminal
from runbook.api import Keys
from runbook.errors import CheckFailed
from runbook.site import Site
from runbook.traffic.check import Kind
from runbook.traffic.command import Order, Outcome, measure, refuse_failed
from runbook.traffic.drive import Pace
from runbook.traffic.generate import generate
from runbook.traffic.line import Outcome as Due
from runbook.traffic.patience import Patience

COUNT = 150


@pytest.fixture
def order(twin: Any, now: datetime, at_once: Patience) -> Order:
    return Order(
        COUNT, seed=1, now=now, sample=10, pace=Pace(connections=4, patience=at_once), transport=twin
    )


def run(order: Order, manifest: Path | None = None) -> Outcome:
    progress = terminal.Progress(Console(quiet=True))
    return measure(order, Site("http://127.0.0.1:3000"), Keys("in", "read", "admin"), manifest, progress)


def found(outcome: Outcome) -> dict[str, int]:
    return {kind: count for kind, count, _ in outcome.verdict.deviations}


def stored(order: Order) -> list[str]:
    lines = generate(order.seed, order.count, order.now)
    return [line.decision_id for line in lines if line.expected.outcome is Due.STORED]


def test_traffic_ends_as_its_manifest_says_and_leaves_nothing(
    order: Order, twin: Any, tmp_path: Path
) -> None:
    outcome = run(replace(order, sample=None), tmp_path / "manifest.jsonl")
    assert outcome.verdict.lines() == []
    assert outcome.sent.lines == COUNT
    assert outcome.looked.rows == outcome.due.stored == outcome.looked.read_back == len(stored(order))
    assert twin.store.rows == {}
    assert (tmp_path / "manifest.jsonl").exists()
    assert twin.most_at_a_time == 4
    refuse_failed(outcome)


def test_every_request_carries_the_run_and_its_key(order: Order, twin: Any) -> None:
    outcome = run(order)
    keys = {"POST": "Bearer in", "GET": "Bearer read", "DELETE": "Bearer admin"}
    assert {one.headers["X-Amas-Run-Id"] for one in twin.requests} == {outcome.plan.run_id}
    assert all(one.headers["Authorization"] == keys[one.method] for one in twin.requests)


def test_keep_leaves_the_rows(order: Order, twin: Any) -> None:
    outcome = run(replace(order, keep=True))
    assert outcome.looked.left is None
    assert len(twin.store.rows) == outcome.due.stored


def test_a_sample_reads_only_some_back(order: Order) -> None:
    outcome = run(replace(order, sample=30))
    assert outcome.verdict.ok
    assert 10 < outcome.looked.read_back < 60
    assert outcome.looked.listed == outcome.due.stored


def test_a_lost_trace_is_named_first_although_only_a_sample_was_asked_for(order: Order, twin: Any) -> None:
    """Its user's list does not show it, so that it is asked for by its id."""
    twin.lost.add(lost := stored(order)[100])
    outcome = run(replace(order, sample=0))
    assert outcome.looked.read_back == 1
    assert outcome.verdict.deviations[0][:2] == (Kind.MISSING, 1)
    assert lost in outcome.verdict.deviations[0][2][0]
    assert found(outcome)[Kind.MISCOUNTED] == 1
    with pytest.raises(CheckFailed, match="acknowledged, but not there: 1"):
        refuse_failed(outcome)


def test_changed_content_is_found(order: Order, twin: Any) -> None:
    twin.altered.update(stored(order)[10:12])
    assert found(run(order)) == {Kind.CHANGED: 2}


def test_a_trace_that_its_users_list_leaves_out_is_found(order: Order, twin: Any) -> None:
    twin.unlisted.add(stored(order)[3])
    assert found(run(replace(order, sample=0))) == {Kind.UNLISTED: 1}


def test_another_status_is_found(order: Order, twin: Any) -> None:
    """A service that forgets to compare takes conflicts for duplicates."""
    twin.forgetful = True
    outcome = run(order)
    assert found(outcome) == {Kind.TAKEN: outcome.due.conflict}


def test_a_busy_service_is_asked_again_after_the_time_it_says(
    order: Order, twin: Any, at_once: Patience
) -> None:
    twin.busy = 3
    outcome = run(order)
    assert outcome.verdict.ok
    assert outcome.sent.resent == 3
    assert outcome.sent.again == {503: 3}
    assert at_once.sleep.pauses_s == [2.0] * 3  # type: ignore[attr-defined]


def test_a_connection_that_breaks_after_the_commit_makes_no_deviation(order: Order, twin: Any) -> None:
    twin.broken = 2
    outcome = run(order)
    assert outcome.verdict.ok
    assert outcome.sent.resent == 2
    assert outcome.sent.twice > 0


def test_a_service_that_goes_away_stops_the_run_and_the_rest_is_told(order: Order, twin: Any) -> None:
    twin.down_after = 8
    outcome = run(order)
    assert "no answer after 4 tries" in outcome.sent.stopped_because
    assert set(found(outcome)) == {Kind.UNANSWERED}
    assert sum(request.method == "POST" for request in twin.requests) <= 8 + 4 * 4
    assert outcome.looked.listed == outcome.looked.rows == outcome.sent.acknowledged
    assert twin.store.rows == {}


def test_the_time_limit_stops_the_run(order: Order) -> None:
    ticks = iter(range(10_000))
    outcome = run(replace(order, pace=replace(order.pace, time_limit_s=3, clock=lambda: float(next(ticks)))))
    assert outcome.sent.stopped_because == "the time limit of 3 s was reached"
    assert not outcome.verdict.ok


def test_with_a_rate_lines_leave_on_time(order: Order, at_once: Patience) -> None:
    pace = replace(order.pace, rate=100, clock=lambda: 0.0)
    assert run(replace(order, pace=pace)).verdict.ok
    assert max(at_once.sleep.pauses_s) == pytest.approx(COUNT / 100, abs=1.0)  # type: ignore[attr-defined]


def test_a_service_that_goes_away_while_it_is_read_ends_the_run(order: Order, twin: Any) -> None:
    twin.reads_until = 3
    with pytest.raises(CheckFailed, match=r"GET /api/insights.*connection refused"):
        run(order)


def test_without_a_service_nothing_is_sent(order: Order) -> None:
    def refused(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(CheckFailed, match=r"no answer.*connection refused"):
        run(replace(order, transport=httpx.MockTransport(refused)))


def test_a_wrong_key_is_told_before_anything_is_sent(order: Order) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(403, json={"detail": "needs the scope read"}))
    with pytest.raises(CheckFailed, match="403 needs the scope read"):
        run(replace(order, transport=transport))


def test_rows_are_purged_also_when_the_run_breaks(
    order: Order, twin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the check broke")

    monkeypatch.setattr("runbook.traffic.command.look", broken)
    with pytest.raises(RuntimeError, match="the check broke"):
        run(order)
    assert twin.store.rows == {}
