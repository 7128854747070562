"""The snapshots of all replicas over some minutes, as one: percentiles come from merged buckets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from service.collector.histogram import Histogram, merged
from service.collector.snapshot import Measured, Snapshot

MINUTES_5_S = 300.0
MINUTES_15_S = 900.0
# Snapshots cost the same however few requests there are: shared among fewer than these it says nothing.
MEASURED_TO_TELL = 50
# So many rows waiting mean that more was asked for than could be written.
DEMAND_ROWS = 500


@dataclass(frozen=True)
class Window:
    """Of the snapshots that ended in it. Requests of a replica that is gone were served all the same."""

    snapshots: Sequence[Snapshot]
    span_s: float

    @cached_property
    def latencies(self) -> Histogram:
        return merged(one for snapshot in self.snapshots for one in snapshot.latencies.values())

    @cached_property
    def decisions(self) -> Histogram:
        return merged(
            snapshot.latencies["decisions"]
            for snapshot in self.snapshots
            if "decisions" in snapshot.latencies
        )

    @cached_property
    def requests(self) -> int:
        return self.latencies.total

    @cached_property
    def measured(self) -> int:
        """With those of load and smoke runs: they are measured as well, and at the same cost."""
        return self.requests + sum(one.run_requests for one in self.snapshots)

    @cached_property
    def errors(self) -> int:
        return sum(one.errors for one in self.snapshots)

    @cached_property
    def hits(self) -> int:
        return sum(one.cache_hits for one in self.snapshots)

    @cached_property
    def misses(self) -> int:
        return sum(one.cache_misses for one in self.snapshots)

    @property
    def under_demand(self) -> bool:
        """More was asked for than served. A queue that load or smoke runs may have filled does not count."""
        return any(
            one.refused or (one.queue_peak > DEMAND_ROWS and not one.run_requests) for one in self.snapshots
        )


def over(snapshots: Iterable[Snapshot], now: float, length_s: float) -> Window:
    """The window that ends now; its span is what its snapshots cover, also soon after the start."""
    inside = [one for one in snapshots if now - length_s < one.at]
    begins = min((one.at - one.duration_s for one in inside), default=now)
    ends = max((one.at for one in inside), default=now)
    return Window(inside, ends - begins)


def of_traffic(last_5: Window, last_15: Window) -> dict[str, Measured]:
    """Samples of what was asked and answered; a name without anything measured is missing."""
    values: dict[str, Measured] = {}
    requests, reads = last_5.requests, last_15.hits + last_15.misses
    if last_5.span_s > 0:
        values["http.throughput"] = (requests / last_5.span_s, requests)
        values["decision.conflicts"] = (float(sum(one.conflicts for one in last_5.snapshots)), requests)
        refused = sum(one.refused_decisions for one in last_5.snapshots)
        values["decision.refused"] = (float(refused), requests)
        if last_5.under_demand:
            values["http.throughput.under_demand"] = values["http.throughput"]
    if requests:
        for percent in (50, 95, 99):
            values[f"http.latency.p{percent}"] = _milliseconds(last_5.latencies, percent)
        values["http.error_rate.5xx"] = (100 * last_5.errors / requests, requests)
    if last_5.measured >= MEASURED_TO_TELL:
        overhead_s = sum(one.overhead_s for one in last_5.snapshots)
        values["monitoring.overhead"] = (1000 * overhead_s / last_5.measured, last_5.measured)
    if last_5.decisions.total:
        values["decision.latency.p99"] = _milliseconds(last_5.decisions, 99)
    if reads:
        values["cache.hit_rate"] = (100 * last_15.hits / reads, reads)
    return values


def of_replicas(last: Mapping[str, Snapshot], expected: int, *, shared: bool) -> dict[str, Measured]:
    """Samples of how the replicas stand, from the last snapshot of each that lives.

    A replica that sees only itself cannot tell how many there are. One that drains is as good as gone.
    """
    each, number = list(last.values()), len(last)
    values: dict[str, Measured] = {}
    if shared:
        staying = sum(not one.draining for one in each)
        values["replicas.live"] = (float(staying), number)
        values["replicas.missing"] = (float(max(0, expected - staying)), number)
    if not each:
        return values
    shares = [one.memory_percent for one in each if one.memory_percent is not None]
    if shares:
        values["process.memory.utilization"] = (max(shares), len(shares))
    return values | {
        "queue.size": (float(sum(one.queue_rows for one in each)), number),
        "queue.age_s": (max(one.queue_age_s for one in each), number),
        "db.pool.utilization": (max(_busy_percent(one) for one in each), number),
        "db.pool.waiting": (float(sum(one.pool_awaited for one in each)), number),
        "event_loop.lag_ms": (1000 * max(one.lag_s for one in each), number),
        "process.cpu": (max(one.cpu_percent for one in each), number),
        "process.memory": (max(one.rss_bytes for one in each) / 1e6, number),
    }


def _milliseconds(latencies: Histogram, percent: int) -> Measured:
    return 1000 * (latencies.percentile(percent) or 0.0), latencies.total


def _busy_percent(one: Snapshot) -> float:
    """Of the connections the pool may have: an idle pool holds fewer."""
    return 100 * (one.pool_open - one.pool_free) / one.pool_most if one.pool_most else 0.0
