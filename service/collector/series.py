"""The last hour in equal steps, for charts and for what is kept: one point for each interval."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.collector.histogram import merged
from service.collector.snapshot import Snapshot

Point = float | int | None


@dataclass(frozen=True)
class Interval:
    """What all replicas did in one step; `at` is its end."""

    at: float
    length_s: float
    snapshots: Sequence[Snapshot]

    def kept(self) -> dict[str, Point]:
        """Every column there is, None where nothing was measured."""
        latencies = merged(one for snapshot in self.snapshots for one in snapshot.latencies.values())
        requests, run_requests = latencies.total, self._sum("run_requests")
        hits, misses = self._sum("cache_hits"), self._sum("cache_misses")
        errors, stored = self._sum("errors"), self._sum("stored")
        overhead_s = sum(one.overhead_s for one in self.snapshots)
        return {
            "replicas": len({one.replica for one in self.snapshots}),
            "requests": requests,
            "errors": errors,
            "refused": self._sum("refused"),
            "conflicts": self._sum("conflicts"),
            "run_requests": run_requests,
            "stored": stored,
            "throughput": self._rate(requests),
            "decisions_per_second": self._rate(stored),
            "p50_ms": _milliseconds(latencies.percentile(50)),
            "p95_ms": _milliseconds(latencies.percentile(95)),
            "p99_ms": _milliseconds(latencies.percentile(99)),
            "error_rate_percent": _percent(errors, requests),
            "cache_hit_rate_percent": _percent(hits, hits + misses),
            "queue_rows": self._sum("queue_rows"),
            "cpu_percent_most": max(one.cpu_percent for one in self.snapshots),
            "rss_bytes_most": max(one.rss_bytes for one in self.snapshots),
            "event_loop_lag_ms_most": 1000 * max(one.lag_s for one in self.snapshots),
            "overhead_us": _share(1e6 * overhead_s, requests + run_requests),
        }

    def _sum(self, field: str) -> int:
        return sum(getattr(one, field) for one in self.snapshots)

    def _rate(self, count: int) -> float:
        """A replica's first interval is shorter than the others'."""
        longest_s = max(one.duration_s for one in self.snapshots)
        return count / longest_s if longest_s > 0 else 0.0


def intervals(snapshots: Iterable[Snapshot], length_s: float, since: float, until: float) -> list[Interval]:
    """Those that ended after `since` and by `until`, in order; replicas snapshot at the ends of steps.

    How a replica stood when it joined is no interval.
    """
    found: dict[int, list[Snapshot]] = {}
    for one in (each for each in snapshots if each.duration_s > 0):
        step = round(one.at / length_s)
        if since < step * length_s <= until:
            found.setdefault(step, []).append(one)
    return [Interval(step * length_s, length_s, found[step]) for step in sorted(found)]


# The answer's names, and the columns they show.
COLUMNS = {
    "throughput": "throughput",
    "p50": "p50_ms",
    "p95": "p95_ms",
    "p99": "p99_ms",
    "errorRatePercent": "error_rate_percent",
    "queue": "queue_rows",
    "cacheHitRatePercent": "cache_hit_rate_percent",
    "decisionsPerSecond": "decisions_per_second",
}


def answer(snapshots: Iterable[Snapshot], length_s: float, now: float, window_s: float) -> dict[str, object]:
    """Columns of equal length; null where nothing was measured, also for steps in which nobody ran."""
    # The step that is now has not ended for everyone.
    last = int(now / length_s)
    first = last - int(window_s / length_s) + 1
    by_step = {
        round(one.at / length_s): one.kept()
        for one in intervals(snapshots, length_s, now - window_s - length_s, now)
    }
    known = [step for step in range(first, last + 1) if step >= min(by_step, default=last + 1)]
    nothing: dict[str, Point] = {}
    columns: dict[str, object] = {
        name: [_rounded(by_step.get(step, nothing).get(column)) for step in known]
        for name, column in COLUMNS.items()
    }
    return {"intervalSeconds": length_s, "at": [round(step * length_s, 3) for step in known]} | columns


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percent(part: int, whole: int) -> float | None:
    return _share(100 * part, whole)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _rounded(value: Point) -> Point:
    return None if value is None else round(value, 3)
