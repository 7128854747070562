"""One interval of one replica: what happened in it, and how things stood at its end."""

import msgspec

from service.collector.histogram import Histogram
from service.collector.traffic import Traffic

# What a sample is: its value, and the number of measurements behind it.
Measured = tuple[float, int]


class Counters(msgspec.Struct, frozen=True):
    """Totals since the process began; only their differences mean anything."""

    cache_hits: float = 0
    cache_misses: float = 0
    stored: float = 0
    duplicate: float = 0
    conflict: float = 0
    cpu_s: float = 0


class Gauges(msgspec.Struct, frozen=True):
    """How things stand."""

    queue_rows: int = 0
    queue_age_s: float = 0.0
    pool_open: int = 0
    pool_free: int = 0
    pool_awaited: int = 0
    pool_most: int = 0
    rss_bytes: int = 0
    # Of memory this process may use; 0 when unknown.
    memory_limit_bytes: int = 0
    draining: bool = False


class Peaks(msgspec.Struct, frozen=True):
    """The worst that was seen in an interval, looked at every second."""

    lag_s: float = 0.0
    queue_rows: int = 0


class Snapshot(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Travels between replicas of two releases: fields are only ever added, at the end, with a default."""

    replica: str
    # Seconds since 1970, of its end.
    at: float
    duration_s: float
    latencies: dict[str, Histogram] = {}
    errors: int = 0
    refused: int = 0
    refused_decisions: int = 0
    conflicts: int = 0
    run_requests: int = 0
    # Of the middleware and of taking the snapshot before this one.
    overhead_s: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    cpu_s: float = 0.0
    queue_rows: int = 0
    queue_age_s: float = 0.0
    queue_peak: int = 0
    pool_open: int = 0
    pool_free: int = 0
    pool_awaited: int = 0
    pool_most: int = 0
    lag_s: float = 0.0
    rss_bytes: int = 0
    draining: bool = False
    memory_limit_bytes: int = 0
    # The last one before a clean end.
    left: bool = False

    @property
    def requests(self) -> int:
        return sum(one.total for one in self.latencies.values())

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_s / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def memory_percent(self) -> float | None:
        """Of what the process may use; None from a replica that does not know its limit."""
        return 100 * self.rss_bytes / self.memory_limit_bytes if self.memory_limit_bytes else None


def taken(
    span: "Span", traffic: Traffic, before: Counters, after: Counters, gauges: Gauges, peaks: Peaks
) -> Snapshot:
    """What lies between two looks at the counters."""
    return Snapshot(
        replica=span.replica,
        at=span.at,
        duration_s=span.duration_s,
        latencies={
            kind: found for kind, buckets in traffic.buckets.items() if (found := buckets.histogram()).counts
        },
        errors=traffic.errors,
        refused=traffic.refused,
        refused_decisions=traffic.refused_decisions,
        conflicts=traffic.conflicts,
        run_requests=traffic.run_requests,
        overhead_s=traffic.overhead_s + span.own_s,
        cache_hits=round(after.cache_hits - before.cache_hits),
        cache_misses=round(after.cache_misses - before.cache_misses),
        stored=round(after.stored - before.stored),
        duplicate=round(after.duplicate - before.duplicate),
        conflict=round(after.conflict - before.conflict),
        cpu_s=after.cpu_s - before.cpu_s,
        queue_rows=gauges.queue_rows,
        queue_age_s=gauges.queue_age_s,
        queue_peak=max(peaks.queue_rows, gauges.queue_rows),
        pool_open=gauges.pool_open,
        pool_free=gauges.pool_free,
        pool_awaited=gauges.pool_awaited,
        pool_most=gauges.pool_most,
        lag_s=peaks.lag_s,
        rss_bytes=gauges.rss_bytes,
        memory_limit_bytes=gauges.memory_limit_bytes,
        draining=gauges.draining,
    )


class Span(msgspec.Struct, frozen=True):
    """Whose interval it is, when it ended, how long it was, and what taking the last one cost."""

    replica: str
    at: float
    duration_s: float
    own_s: float = 0.0
