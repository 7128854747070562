"""Every interval: take a snapshot, share it, keep it. It logs what goes wrong, counts it and goes on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from service.collector import window
from service.collector.keep import Keep
from service.collector.probes import Probes
from service.collector.share import Shared
from service.collector.snapshot import Counters, Gauges, Measured, Peaks, Snapshot, Span, taken
from service.collector.traffic import Meter

logger = logging.getLogger("Collector")


@dataclass(frozen=True)
class Readings:
    """What the rest of the replica tells about itself, without waiting."""

    counters: Callable[[], Counters]
    gauges: Callable[[], Gauges]
    # Whether collecting is switched off now.
    off: Callable[[], bool]


@dataclass(frozen=True)
class Clock:
    """Handed in so that tests need no waiting; `now` is in seconds since 1970."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True)
class Plan:
    """How often, and how many there should be."""

    interval_s: float
    replicas_expected: int


@dataclass(frozen=True)
class Sources:
    """Where the figures of this replica come from."""

    meter: Meter
    readings: Readings
    probes: Probes


class OwnCounts(Protocol):
    """What the collector tells about itself; service.metrics has the real one."""

    def collected(self, at: float, duration_s: float) -> None: ...

    def collector_failed(self) -> None: ...


class Collecting:
    """One task, and the answers to whoever asks how the cluster does."""

    def __init__(
        self,
        plan: Plan,
        sources: Sources,
        shared: Shared,
        keep: Keep,
        counts: OwnCounts,
        clock: Clock,
    ) -> None:
        self.plan = plan
        self.shared = shared
        self.clock = clock
        self._meter = sources.meter
        self._readings = sources.readings
        self._probes = sources.probes
        self._keep = keep
        self._counts = counts
        self._before = self._readings.counters()
        self._began = self.clock.monotonic()
        self._lag_s = 0.0
        self._queue_peak = 0
        self._own_s = 0.0
        self._running = False
        self._run_at: float | None = None
        self._run_monotonic = self._began
        self._look_at_switch()

    @property
    def off(self) -> bool:
        return self._meter.off

    @property
    def running(self) -> bool:
        return self._running and not self.off

    @property
    def last_run(self) -> float | None:
        """Seconds since 1970."""
        return self._run_at

    @property
    def age_s(self) -> float:
        """Since the last run that ended well, or since the start."""
        return self.clock.monotonic() - self._run_monotonic

    @property
    def snapshot_us(self) -> float:
        """What the last snapshot took."""
        return 1e6 * self._own_s

    def noticed(self, lag_s: float) -> None:
        """Once a second, so that peaks between two snapshots are not missed, nor a switch that was thrown."""
        self._look_at_switch()
        self._lag_s = max(self._lag_s, lag_s)
        self._queue_peak = max(self._queue_peak, self._readings.gauges().queue_rows)

    async def run(self) -> None:
        """Until cancelled. All replicas wake at the same multiples of the interval."""
        self._running = True
        try:
            await self._whatever_fails(self.join)
            while True:
                interval_s = self.plan.interval_s
                await self.clock.sleep(interval_s - self.clock.now() % interval_s)
                await self._whatever_fails(self.once)
        finally:
            self._running = False
            await self._probes.close()

    async def _whatever_fails(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception:
            self._counts.collector_failed()
            logger.exception("[MetricsCollector] the interval failed; the next one comes")

    async def join(self) -> None:
        """How it stands before its first interval: the others would not list it until that has ended."""
        await self.shared.exchange(None if self.off else self._now(None))

    async def once(self) -> None:
        """One interval."""
        start = time.perf_counter()
        snapshot = None if self.off else self._take()
        self._own_s = time.perf_counter() - start
        await self.shared.exchange(snapshot)
        if snapshot is None:
            return
        now = self.clock.now()
        await self._keep.keep(self.shared.snapshots(), now)
        self._run_at, self._run_monotonic = now, self.clock.monotonic()
        self._counts.collected(now, time.perf_counter() - start)

    async def finish(self) -> None:
        """The last, short interval before the end: the others still count what was served in it.

        Switched off there is none, and this replica is listed until it was silent for too long.
        """
        if not self.off:
            await self.shared.exchange(msgspec.structs.replace(self._take(), left=True))

    async def values(self) -> dict[str, Measured]:
        """Every sample that there is now, for the whole cluster; never from a memo."""
        probed, _ = await asyncio.gather(self._probes.ask(), self.shared.refresh())
        return self.known(probed)

    def known(self, probed: dict[str, Measured]) -> dict[str, Measured]:
        """Samples of the windows and the replicas, besides what was probed."""
        values = window.of_traffic(*self.windows())
        if not self.shared.shared and self.plan.replicas_expected > 1:
            # A part's throughput is no shortfall of the whole.
            values.pop("http.throughput.under_demand", None)
        values |= window.of_replicas(self.standing(), self.plan.replicas_expected, shared=self.shared.shared)
        if not self.off:
            values["collector.age_s"] = (self.age_s, 1)
            values["collector.age_intervals"] = (self.age_s / self.plan.interval_s, 1)
        return values | probed

    def windows(self) -> tuple[window.Window, window.Window]:
        """The last 5 and the last 15 minutes."""
        snapshots, now = self.shared.snapshots(), self.clock.now()
        last_15 = window.over(snapshots, now, window.MINUTES_15_S)
        return window.over(last_15.snapshots, now, window.MINUTES_5_S), last_15

    def standing(self) -> dict[str, Snapshot]:
        """How each replica that lives stood last, and this one now."""
        ours = self.shared.replica
        last = {one: self.shared.last(one) for one in self.shared.live()}
        known = {one: snapshot for one, snapshot in last.items() if snapshot is not None}
        return known | {ours: self._now(known.get(ours))}

    def _now(self, last: Snapshot | None) -> Snapshot:
        base = last or Snapshot(replica=self.shared.replica, at=self.clock.now(), duration_s=0.0)
        gauges = msgspec.structs.asdict(self._readings.gauges())
        return msgspec.structs.replace(base, **gauges, lag_s=max(base.lag_s, self._lag_s))

    def _take(self) -> Snapshot:
        after, now = self._readings.counters(), self.clock.monotonic()
        # The end of a step, which the timer may have missed by some milliseconds to either side.
        span = Span(self.shared.replica, self.clock.now(), now - self._began, self._own_s)
        peaks = Peaks(self._lag_s, self._queue_peak)
        snapshot = taken(span, self._meter.take(), self._before, after, self._readings.gauges(), peaks)
        self._before, self._began = after, now
        self._lag_s, self._queue_peak = 0.0, 0
        return snapshot

    def _look_at_switch(self) -> None:
        """While off nothing is measured; the replica still tells that it lives."""
        off = self._readings.off()
        if self._meter.off and not off:
            # What came meanwhile was not counted.
            self._start_over()
        self._meter.off = off

    def _start_over(self) -> None:
        self._meter.take()
        self._before, self._began = self._readings.counters(), self.clock.monotonic()
        self._run_monotonic = self._began
        self._lag_s, self._queue_peak = 0.0, 0
