"""The loop: snapshots at the steps' ends, samples from all replicas, and no failure that ends it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from service.alerts.vocabulary import METRICS
from service.collector.keep import Keep
from service.collector.loop import Clock, Collecting, Plan, Readings, Sources
from service.collector.probes import Probe, Probes, liveness
from service.collector.share import Shared
from service.collector.snapshot import Counters, Gauges, Measured
from service.collector.testing import MemoryBoard
from service.collector.traffic import Meter
from tests.unit.service.snapshots import near, snapshot

pytestmark = pytest.mark.anyio


class Nowhere:
    async def rows(self, _query: str, _parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return []


class Replica:
    """One replica's collector, on a clock that its sleeps move."""

    def __init__(
        self,
        board: MemoryBoard | None = None,
        name: str = "a",
        expected: int = 1,
        interval_s: float = 30.0,
    ) -> None:
        self.at = 90_007.0
        self.board = board or MemoryBoard()
        self.meter = Meter()
        self.counters = Counters()
        self.gauges = Gauges(queue_rows=1, rss_bytes=1000)
        self.off = False
        self.probed: dict[str, Measured] = {"spool.length": (3.0, 1)}
        self.slept: list[float] = []
        self.failures: list[Exception] = []
        self.runs: list[float] = []
        self.errors = 0
        self.reading_fails = False
        readings = Readings(self._counters, self._gauges, lambda: self.off)
        self.collecting = Collecting(
            Plan(interval_s, expected),
            Sources(self.meter, readings, Probes([Probe("facts", self._facts)])),
            Shared(self.board, name, interval_s, lambda: self.at),
            Keep(Nowhere(), lambda: True, interval_s),
            self,
            Clock(lambda: self.at, lambda: self.at, self._sleep),
        )

    def collected(self, at: float, duration_s: float) -> None:
        assert duration_s >= 0
        self.runs.append(at)

    def collector_failed(self) -> None:
        self.errors += 1

    def _counters(self) -> Counters:
        if self.failures:
            raise self.failures.pop()
        return self.counters

    def _gauges(self) -> Gauges:
        if self.reading_fails:
            self.reading_fails = False
            raise ValueError("unforeseen")
        return self.gauges

    async def _facts(self) -> Mapping[str, Measured]:
        return self.probed

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 3:
            await asyncio.Event().wait()
        self.at += seconds

    async def run(self) -> asyncio.Task[None]:
        """Three intervals; it waits for the fourth then."""
        task = asyncio.create_task(self.collecting.run())
        async with asyncio.timeout(10):
            while len(self.slept) <= 3:  # noqa: ASYNC110  # turns of the loop, no time
                await asyncio.sleep(0)
        return task

    def serve(self, *seconds: float) -> None:
        for one in seconds:
            self.meter.traffic.observe["decisions"](one)


def is_off(one: Replica) -> bool:
    return one.meter.off


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_wakes_at_multiples_of_the_interval() -> None:
    one = Replica()
    task = await one.run()
    assert one.slept == [23.0, 30.0, 30.0, 30.0]
    assert one.runs == [90_030.0, 90_060.0, 90_090.0]
    states = [one.collecting.running]
    assert one.collecting.last_run == 90_090.0
    await ended(task)
    assert [*states, one.collecting.running] == [True, False]


async def test_a_replica_is_listed_from_its_start_on_by_itself_and_by_the_others() -> None:
    board = MemoryBoard()
    one, other = Replica(board, "a", 2), Replica(board, "b", 2)
    await one.collecting.join()
    await other.collecting.join()
    for each in (one, other):
        values = await each.collecting.values()
        assert set(each.collecting.standing()) == {"a", "b"}
        assert (values["replicas.missing"][0], values["queue.size"][0]) == (0, 2)
        assert "http.throughput" not in values
    one.serve(0.1)
    one.at += 23
    other.at += 23
    await one.collecting.once()
    assert near((await other.collecting.values())["http.throughput"], 1 / 23, 1)


async def test_a_replica_joins_before_its_first_interval_and_goes_on_if_that_fails() -> None:
    one = Replica()
    one.reading_fails = True
    task = await one.run()
    assert (one.errors, len(one.runs)) == (1, 3)
    await ended(task)
    well = Replica()
    task = await well.run()
    joined, first, *_ = well.collecting.shared.snapshots()
    assert (joined.at, joined.duration_s, joined.rss_bytes) == (90_007.0, 0, 1000)
    assert (first.at, first.duration_s) == (90_030.0, 23)
    await ended(task)


async def test_switched_off_a_replica_joins_with_nothing_measured() -> None:
    one = Replica()
    one.off = True
    one.collecting.noticed(0.0)
    await one.collecting.join()
    assert (one.board.lists, one.board.heard) == ({}, {"a": 90_007.0})


async def test_an_interval_that_fails_is_counted_and_the_next_one_comes() -> None:
    one = Replica()
    one.failures = [ValueError("unforeseen")]
    task = await one.run()
    assert one.errors == 1
    assert one.runs == [90_060.0, 90_090.0]
    await ended(task)


async def test_its_age_grows_while_it_does_not_run() -> None:
    one = Replica()
    await one.collecting.once()
    one.at += 95
    assert one.collecting.age_s == 95
    assert (await one.collecting.values())["collector.age_s"] == (95.0, 1)


@pytest.mark.parametrize("interval_s", [0.5, 30, 300])
async def test_its_age_is_told_in_multiples_of_its_interval_too(interval_s: float) -> None:
    one = Replica(interval_s=interval_s)
    await one.collecting.once()
    one.at += 4.5 * interval_s
    assert (await one.collecting.values())["collector.age_intervals"] == (4.5, 1)


async def test_a_snapshot_holds_what_came_since_the_one_before() -> None:
    one = Replica()
    one.serve(0.1, 0.1)
    one.counters = Counters(stored=10)
    one.at += 30
    await one.collecting.once()
    one.serve(0.1)
    one.counters = Counters(stored=15)
    one.at += 30
    await one.collecting.once()
    first, second = one.collecting.shared.snapshots()
    assert (first.requests, first.stored, first.duration_s) == (2, 10, 30)
    assert (second.requests, second.stored) == (1, 5)


async def test_samples_are_of_the_cluster_and_of_the_outside() -> None:
    board = MemoryBoard()
    first, second = Replica(board, "a", 3), Replica(board, "b", 3)
    for one, seconds in ((first, 0.1), (second, 0.4)):
        one.serve(*[seconds] * 100)
        one.at += 30
        await one.collecting.once()
    values = await first.collecting.values()
    assert values["http.latency.p50"][0] == pytest.approx(100, rel=0.02)
    assert near(values["http.latency.p99"], 400, 200, rel=0.02)
    assert values["replicas.live"][0] == 2
    assert values["replicas.missing"][0] == 1
    assert values["queue.size"][0] == 2
    assert values["spool.length"] == (3.0, 1)


async def test_gauges_of_this_replica_are_those_of_now() -> None:
    one = Replica()
    await one.collecting.once()
    one.gauges = Gauges(queue_rows=700, queue_age_s=2.5)
    one.collecting.noticed(0.25)
    values = await one.collecting.values()
    assert values["queue.size"][0] == 700
    assert values["queue.age_s"][0] == 2.5
    assert values["event_loop.lag_ms"][0] == 250


async def test_peaks_between_two_snapshots_are_not_missed() -> None:
    one = Replica()
    one.gauges = Gauges(queue_rows=900)
    one.collecting.noticed(0.3)
    one.gauges = Gauges(queue_rows=0)
    one.collecting.noticed(0.1)
    one.at += 30
    await one.collecting.once()
    (taken,) = one.collecting.shared.snapshots()
    assert (taken.queue_peak, taken.queue_rows, taken.lag_s) == (900, 0, 0.3)
    assert "http.throughput.under_demand" in await one.collecting.values()


async def test_with_the_board_away_values_stand_but_not_those_that_need_all() -> None:
    one = Replica(expected=2)
    one.board.away = True
    one.serve(0.1)
    one.meter.traffic.refused = 1
    one.at += 30
    await one.collecting.once()
    values = await one.collecting.values()
    assert values["http.latency.p95"][1] == 1
    assert "http.throughput" in values
    assert not {"replicas.missing", "http.throughput.under_demand"} & set(values)


async def test_switched_off_it_takes_nothing_and_still_tells_that_it_lives() -> None:
    one = Replica()
    one.off = True
    one.collecting.noticed(0.0)
    assert is_off(one)
    one.at += 30
    await one.collecting.once()
    assert one.board.lists == {}
    assert one.board.heard == {"a": 90_037.0}
    values = await one.collecting.values()
    assert "collector.age_s" not in values
    assert values["queue.size"] == (1.0, 1)


async def test_switched_on_again_its_interval_begins_then() -> None:
    one = Replica()
    one.off = True
    one.collecting.noticed(0.9)
    one.counters = Counters(stored=100)
    one.at += 3600
    one.off = False
    one.collecting.noticed(0.0)
    assert not is_off(one)
    one.counters = Counters(stored=101)
    one.at += 30
    await one.collecting.once()
    (taken,) = one.collecting.shared.snapshots()
    assert (taken.stored, taken.duration_s, taken.lag_s) == (1, 30, 0)


async def test_the_last_short_interval_is_shared_too() -> None:
    board = MemoryBoard()
    one, other = Replica(board), Replica(board, "b")
    await one.collecting.once()
    one.serve(0.1)
    one.at += 4
    await one.collecting.finish()
    other.at = one.at
    assert (await other.collecting.values())["http.latency.p95"][1] == 1
    assert set(other.collecting.shared.live()) == {"b"}


async def test_a_fresh_replica_without_a_snapshot_has_its_gauges() -> None:
    values = await Replica().collecting.values()
    assert values["queue.size"] == (1.0, 1)
    assert "http.throughput" not in values


async def test_a_probe_that_hangs_holds_nobody_up_and_is_asked_once() -> None:
    asked = 0
    answer = asyncio.Event()

    async def hang() -> None:
        nonlocal asked
        asked += 1
        await answer.wait()

    probes = Probes([liveness("db.up", hang)], timeout_s=0.001)
    assert await probes.ask() == {"db.up": (0.0, 1)}
    assert await probes.ask() == {"db.up": (0.0, 1)}
    assert asked == 1
    answer.set()
    assert await probes.ask() == {"db.up": (1.0, 1)}
    answer.clear()
    assert await probes.ask() == {"db.up": (0.0, 1)}
    await probes.close()


async def test_a_probe_that_fails_is_no_data_unless_it_says_what_it_means() -> None:
    async def fail() -> Mapping[str, Measured]:
        raise OSError("gone")

    async def ask() -> None:
        raise OSError("gone")

    assert await Probes([Probe("facts", fail), liveness("cache.up", ask)]).ask() == {"cache.up": (0.0, 1)}


async def test_a_foreign_snapshot_without_a_life_sign_is_not_standing() -> None:
    board = MemoryBoard()
    one = Replica(board)
    await Replica(board, "b").collecting.shared.exchange(snapshot(90_000.0, 0.01, replica="b", queue_rows=50))
    board.heard["b"] = one.at - 91
    values = await one.collecting.values()
    assert values["queue.size"] == (1.0, 1)
    assert values["http.latency.p50"][1] == 1


async def test_every_sample_is_one_that_rules_may_name() -> None:
    one = Replica()
    one.serve(0.1)
    one.meter.traffic.refused = 1
    one.counters = Counters(cache_hits=1)
    one.at += 30
    await one.collecting.once()
    assert set(await one.collecting.values()) <= set(METRICS)
