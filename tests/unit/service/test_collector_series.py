"""One point for each interval, and nothing where nothing was measured."""

from typing import Any

import pytest

from service.collector import series
from service.collector.snapshot import Snapshot
from tests.unit.service.snapshots import snapshot


def answer(*snapshots: Snapshot, now: float, window_s: float = 900.0) -> dict[str, Any]:
    return series.answer(snapshots, 30.0, now, window_s)


def test_snapshots_of_one_step_become_one_point() -> None:
    found = answer(
        snapshot(300.01, *[0.01] * 30, replica="a", stored=20, queue_rows=1, cache_hits=3, cache_misses=1),
        snapshot(299.99, *[0.03] * 30, replica="b", stored=10, queue_rows=2, errors=6),
        now=301,
    )
    assert found["intervalSeconds"] == 30
    assert found["at"] == [300]
    assert found["throughput"] == [2]
    assert found["decisionsPerSecond"] == [1]
    assert found["errorRatePercent"] == [10]
    assert found["queue"] == [3]
    assert found["cacheHitRatePercent"] == [75]
    assert found["p50"][0] == pytest.approx(10, rel=0.02)
    assert found["p99"][0] == pytest.approx(30, rel=0.02)


def test_overhead_is_shared_with_the_requests_of_load_tests() -> None:
    (one,) = series.intervals([snapshot(300, 0.01, run_requests=9, overhead_s=0.001)], 30.0, 0, 301)
    assert one.kept()["overhead_us"] == pytest.approx(100)


def test_a_replica_that_has_just_begun_lowers_no_rate() -> None:
    found = answer(snapshot(300, *[0.01] * 20, duration_s=10.0), now=301)
    assert found["throughput"] == [2]


def test_a_gap_is_null_and_all_columns_are_of_one_length() -> None:
    found = answer(snapshot(300, 0.01), snapshot(390), now=421)
    assert found["at"] == [300, 330, 360, 390, 420]
    assert found["throughput"] == [pytest.approx(0.033), None, None, 0, None]
    assert found["p95"][1:] == [None] * 4
    assert {len(column) for column in found.values() if isinstance(column, list)} == {5}


def test_the_window_is_as_long_as_it_was_asked_for() -> None:
    found = answer(*(snapshot(30.0 * n, 0.01) for n in range(200)), now=30 * 200 - 1, window_s=900)
    assert len(found["at"]) == 30
    assert found["at"][-1] == 30 * 199


def test_nothing_yet_is_empty_columns() -> None:
    found = answer(now=1000)
    assert found["at"] == []
    assert found["p50"] == []
