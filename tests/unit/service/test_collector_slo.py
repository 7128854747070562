"""The six objectives: where they are met, at risk and breached, and what is left of their budgets."""

from typing import Any

import pytest

from service.collector import slo, window
from service.collector.snapshot import Snapshot
from tests.unit.service.snapshots import snapshot

NOW = 9000.0


def row(row_id: str, *snapshots: Snapshot) -> dict[str, Any]:
    last_5 = window.over(snapshots, NOW, window.MINUTES_5_S)
    last_15 = window.over(snapshots, NOW, window.MINUTES_15_S)
    rows = slo.rows(window.of_traffic(last_5, last_15), last_5, last_15)
    return next(one for one in rows if one["id"] == row_id)


def latencies(slow_ms: float, of_100: int) -> Snapshot:
    return snapshot(NOW, *[0.01] * (100 - of_100), *[slow_ms / 1000] * of_100)


def test_the_rows_are_those_of_the_runbook() -> None:
    facts = [
        (one["name"], one["operator"], one["target"], one["alertThreshold"], one["window"])
        for one in slo.rows({}, window.over([], NOW, 300), window.over([], NOW, 900))
    ]
    assert facts == [
        ("Throughput", ">", 1000, 800, "5m"),
        ("P95 latency", "<", 200, 250, "5m"),
        ("P99 latency", "<", 500, 600, "5m"),
        ("Error rate", "<", 1, 2, "5m"),
        ("Monitoring overhead", "<", 100, 150, "5m"),
        ("Cache hit rate", ">", 80, 60, "15m"),
    ]


def test_without_requests_there_is_no_data_anywhere() -> None:
    rows = slo.rows({}, window.over([], NOW, 300), window.over([], NOW, 900))
    assert {(one["state"], one["value"], one["budgetLeft"], one["samples"]) for one in rows} == {
        ("no_data", None, None, 0)
    }


@pytest.mark.parametrize(
    ("slow_ms", "of_100", "state", "left"),
    [
        (150, 100, "met", 1.0),
        (225, 4, "met", 0.2),
        (225, 5, "met", 0.0),
        (225, 6, "at_risk", 0.0),
        (300, 6, "breached", 0.0),
    ],
)
def test_p95_may_be_missed_by_one_in_twenty(slow_ms: float, of_100: int, state: str, left: float) -> None:
    found = row("latency_p95", latencies(slow_ms, of_100))
    assert (found["state"], found["budgetLeft"]) == (state, left)
    assert found["samples"] == 100


@pytest.mark.parametrize(
    ("slow_ms", "of_100", "state", "left"),
    [(400, 100, "met", 1.0), (700, 1, "met", 0.0), (550, 2, "at_risk", 0.0), (700, 2, "breached", 0.0)],
)
def test_p99_may_be_missed_by_one_in_a_hundred(slow_ms: float, of_100: int, state: str, left: float) -> None:
    found = row("latency_p99", latencies(slow_ms, of_100))
    assert (found["state"], found["budgetLeft"]) == (state, left)


@pytest.mark.parametrize(
    ("errors", "state", "left"),
    [(0, "met", 1.0), (5, "met", 0.5), (10, "at_risk", 0.0), (20, "at_risk", 0.0), (21, "breached", 0.0)],
)
def test_one_error_in_a_hundred_uses_the_budget(errors: int, state: str, left: float) -> None:
    found = row("error_rate", snapshot(NOW, *[0.01] * 1000, errors=errors))
    assert (found["state"], found["budgetLeft"], found["value"]) == (state, left, errors / 10)


@pytest.mark.parametrize(
    ("hits", "state", "left"),
    [(100, "met", 1.0), (90, "met", 0.5), (80, "at_risk", 0.0), (60, "at_risk", 0.0), (59, "breached", 0.0)],
)
def test_one_miss_in_five_uses_the_budget(hits: int, state: str, left: float) -> None:
    found = row("cache_hit_rate", snapshot(NOW - 600, cache_hits=hits, cache_misses=100 - hits))
    assert (found["state"], found["budgetLeft"], found["samples"]) == (state, left, 100)


@pytest.mark.parametrize(
    ("overhead_ms", "state", "left"), [(50, "met", 0.5), (120, "at_risk", 0.0), (160, "breached", 0.0)]
)
def test_overhead_uses_a_part_of_its_target(overhead_ms: float, state: str, left: float) -> None:
    found = row("monitoring_overhead", snapshot(NOW, *[0.01] * 50, overhead_s=50 * overhead_ms / 1000))
    assert (found["state"], found["budgetLeft"]) == (state, pytest.approx(left))


@pytest.mark.parametrize(
    ("requests", "state", "left"),
    [(2200, "met", 1.0), (1000, "at_risk", 1.0), (900, "at_risk", 0.5), (790, "breached", 0.0)],
)
def test_throughput_is_judged_while_there_is_demand(requests: int, state: str, left: float) -> None:
    found = row("throughput", snapshot(NOW, *[0.01] * requests, duration_s=1.0, refused=1))
    assert (found["state"], found["budgetLeft"]) == (state, pytest.approx(left))


def test_throughput_without_demand_is_shown_and_not_judged() -> None:
    found = row("throughput", snapshot(NOW, 0.01, duration_s=1.0))
    assert (found["state"], found["value"], found["budgetLeft"]) == ("no_data", 1.0, None)
