"""Snapshots of all replicas become one set of samples."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.collector import window
from service.collector.snapshot import Counters, Gauges, Measured, Peaks, Snapshot, Span, taken
from service.collector.traffic import Traffic
from tests.unit.service.snapshots import histogram, near, snapshot

NOW = 9000.0


def values(*snapshots: Snapshot, now: float = NOW) -> dict[str, Measured]:
    return window.of_traffic(
        window.over(snapshots, now, window.MINUTES_5_S), window.over(snapshots, now, window.MINUTES_15_S)
    )


def replicas(*each: Snapshot, expected: int = 1, shared: bool = True) -> dict[str, Measured]:
    return window.of_replicas({one.replica: one for one in each}, expected, shared=shared)


def test_a_snapshot_is_what_lies_between_two_looks() -> None:
    traffic = Traffic()
    traffic.buckets["decisions"].observe(0.01)
    traffic.errors, traffic.overhead_s, traffic.run_requests = 2, 0.5, 3
    before = Counters(cache_hits=10, cache_misses=5, stored=100, cpu_s=7.0)
    after = Counters(cache_hits=19, cache_misses=6, stored=150, duplicate=1, conflict=2, cpu_s=10.0)
    gauges = Gauges(queue_rows=7, queue_age_s=0.2, pool_open=4, pool_most=6, rss_bytes=1000, draining=True)
    gauges = msgspec.structs.replace(gauges, memory_limit_bytes=4000)
    one = taken(Span("a", NOW, 30.0, 0.25), traffic, before, after, gauges, Peaks(0.3, 40))
    assert (one.cache_hits, one.cache_misses, one.stored, one.duplicate, one.conflict) == (9, 1, 50, 1, 2)
    assert (one.errors, one.overhead_s, one.run_requests) == (2, 0.75, 3)
    assert (one.queue_rows, one.queue_peak, one.lag_s, one.draining) == (7, 40, 0.3, True)
    assert (one.rss_bytes, one.memory_percent) == (1000, 25.0)
    assert one.latencies == {"decisions": histogram(0.01)}
    assert one.cpu_percent == pytest.approx(10)


def test_a_snapshot_travels_unchanged_and_a_shorter_one_of_before_is_read() -> None:
    one = snapshot(NOW, 0.1, 0.2, errors=3, queue_rows=7, draining=True)
    packed = msgspec.msgpack.encode(one)
    assert msgspec.msgpack.decode(packed, type=Snapshot) == one
    fields = msgspec.msgpack.decode(packed)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:5]), type=Snapshot).errors == 3
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([*fields, "new"]), type=Snapshot) == one


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.floats(1e-6, 500), min_size=1, max_size=20)),
        min_size=1,
        max_size=9,
    )
)
def test_percentiles_of_the_cluster_are_those_of_all_requests_pooled(
    parts: list[tuple[str, list[float]]],
) -> None:
    snapshots = [snapshot(NOW - 10 * n, *seconds, replica=who) for n, (who, seconds) in enumerate(parts)]
    pooled = histogram(*(value for _, seconds in parts for value in seconds))
    found = values(*snapshots)
    for percent in (50, 95, 99):
        told = pooled.percentile(percent)
        assert told is not None
        assert found[f"http.latency.p{percent}"] == (1000 * told, pooled.total)


def test_rates_are_of_the_span_that_the_snapshots_cover() -> None:
    found = values(*(snapshot(NOW - 30 * n, *[0.01] * 300, replica=who) for n in range(10) for who in "ab"))
    assert near(found["http.throughput"], 20, 6000)
    soon = values(snapshot(NOW, *[0.01] * 50, duration_s=5.0))
    assert near(soon["http.throughput"], 10, 50)


def test_only_what_ended_in_the_window_counts() -> None:
    found = values(
        snapshot(NOW, 0.01, cache_hits=1, cache_misses=1),
        snapshot(NOW - 301, 5.0, errors=1, cache_hits=7, cache_misses=1),
        snapshot(NOW - 901, 5.0, cache_misses=100),
    )
    assert found["http.error_rate.5xx"] == (0.0, 1)
    assert found["cache.hit_rate"] == (80.0, 10)


def test_shares_are_in_percent_and_overhead_in_milliseconds_a_request() -> None:
    found = values(
        snapshot(
            NOW, *[0.01] * 99, errors=3, conflicts=4, refused_decisions=2, overhead_s=0.0005, replica="a"
        ),
        snapshot(NOW, 0.01, errors=1, conflicts=1, replica="b"),
    )
    assert found["http.error_rate.5xx"] == (4.0, 100)
    assert near(found["monitoring.overhead"], 0.005, 100)
    assert found["decision.conflicts"] == (5.0, 100)
    assert found["decision.refused"] == (2.0, 100)


def test_overhead_is_that_of_load_tests_too() -> None:
    """Else all of what measuring them cost fell on the few requests beside them."""
    found = values(snapshot(NOW, 0.01, run_requests=59_999, overhead_s=0.6))
    assert near(found["monitoring.overhead"], 0.01, 60_000)


def test_overhead_among_few_requests_is_missing() -> None:
    """Most of it is the cost of snapshots then, which nobody waited for."""
    assert "monitoring.overhead" not in values(snapshot(NOW, *[0.01] * 49, overhead_s=10))


def test_what_was_not_measured_is_missing() -> None:
    assert values() == {}
    idle = values(snapshot(NOW))
    assert set(idle) == {"http.throughput", "decision.conflicts", "decision.refused"}
    assert idle["http.throughput"] == (0.0, 0)


def test_reads_do_not_count_as_decisions() -> None:
    reads = Snapshot(replica="a", at=NOW, duration_s=30, latencies={"reads": histogram(3.0)})
    found = values(reads, snapshot(NOW - 30, 0.1))
    assert found["decision.latency.p99"][0] == pytest.approx(100, rel=0.02)
    assert found["http.latency.p99"][0] == pytest.approx(3000, rel=0.02)


@pytest.mark.parametrize(
    ("told", "demand"),
    [
        ({}, False),
        ({"refused": 1}, True),
        ({"queue_peak": 500}, False),
        ({"queue_peak": 501}, True),
        ({"queue_peak": 501, "run_requests": 1}, False),
        ({"refused": 1, "run_requests": 1}, True),
    ],
)
def test_throughput_stands_under_demand_only_while_there_is_some(told: dict[str, Any], demand: bool) -> None:
    found = values(snapshot(NOW, 0.01), snapshot(NOW - 30, 0.01, **told))
    assert ("http.throughput.under_demand" in found) is demand
    if demand:
        assert found["http.throughput.under_demand"] == found["http.throughput"]


def test_replicas_add_up_or_the_worst_is_told() -> None:
    first = snapshot(
        NOW, replica="a", queue_rows=3, queue_age_s=1.0, pool_open=4, pool_free=1, pool_most=6,
        pool_awaited=2, cpu_s=15.0, rss_bytes=100_000_000, lag_s=0.002,
    )  # fmt: skip
    second = snapshot(NOW, replica="b", queue_rows=4, queue_age_s=0.5, cpu_s=3.0, rss_bytes=200_000_000)
    found = {name: value for name, (value, _) in replicas(first, second, expected=3).items()}
    assert found == {
        "replicas.live": 2,
        "replicas.missing": 1,
        "queue.size": 7,
        "queue.age_s": 1.0,
        "db.pool.utilization": 50,
        "db.pool.waiting": 2,
        "event_loop.lag_ms": 2,
        "process.cpu": 50,
        "process.memory": 200,
    }


def test_memory_is_told_as_a_share_of_each_replicas_own_limit() -> None:
    roomy = snapshot(NOW, replica="a", rss_bytes=300, memory_limit_bytes=1000)
    tight = snapshot(NOW, replica="b", rss_bytes=200, memory_limit_bytes=250)
    of_before = snapshot(NOW, replica="c", rss_bytes=900)
    assert replicas(roomy, tight, of_before)["process.memory.utilization"] == (80.0, 2)
    assert "process.memory.utilization" not in replicas(of_before)


def test_more_replicas_than_expected_are_not_missing() -> None:
    found = replicas(snapshot(NOW, replica="a"), snapshot(NOW, replica="b"), expected=1)
    assert found["replicas.missing"] == (0.0, 2)


def test_who_drains_is_as_good_as_gone() -> None:
    found = replicas(snapshot(NOW, replica="a"), snapshot(NOW, replica="b", draining=True), expected=2)
    assert found["replicas.live"] == (1.0, 2)
    assert found["replicas.missing"] == (1.0, 2)


def test_who_sees_only_itself_does_not_know_how_many_there_are() -> None:
    found = replicas(snapshot(NOW), expected=3, shared=False)
    assert not {"replicas.live", "replicas.missing"} & set(found)
    assert "queue.size" in found
