"""What the monitor tells about the service, the cluster and itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.collector import series, slo
from service.collector.loop import Collecting
from service.collector.memo import Memo
from service.collector.share import SILENT_INTERVALS
from service.collector.snapshot import Measured, Snapshot
from service.errors import Problem
from service.http import json_response

MONITORING_TTL_S = 1.0
SERIES_WINDOWS_S = {"15m": 900.0, "1h": 3600.0}

Facts = Mapping[str, object]


def _none() -> None:
    return None


def _empty() -> Facts:
    return {}


def _nothing() -> Sequence[Facts]:
    return ()


def _unknown() -> Facts | None:
    return None


def _unmeasured() -> Mapping[str, Measured]:
    return {}


@dataclass(frozen=True)
class Others:
    """What other parts tell about themselves, without waiting, in the form in which it is answered."""

    leader: Callable[[], str | None] = _none
    alerts_status: Callable[[], Facts] = _empty
    switches: Callable[[], Sequence[Facts]] = _nothing
    measured: Callable[[], Mapping[str, Measured]] = _unmeasured
    backup: Callable[[], Facts | None] = _unknown
    environment: str = "development"


class About:
    """Handlers; `may_read` raises Problem 401 or 403.

    An objective's row changes with each interval, so it is answered from memory until there is a newer
    snapshot, and for `ttl_s` at most; the rest for a second. Alerts are judged on none of that.
    """

    def __init__(
        self,
        collecting: Collecting,
        others: Others,
        may_read: Callable[[Request], None],
        ttl_s: float,
    ) -> None:
        self._collecting = collecting
        self._others = others
        self._may_read = may_read
        self._slo = Memo[Facts](ttl_s, self._monotonic, lambda: (collecting.last_run, collecting.off))
        self._monitoring = Memo[Facts](MONITORING_TTL_S, self._monotonic, lambda: None)
        self._values = Memo[Facts](MONITORING_TTL_S, self._monotonic, lambda: None)

    def routes(self) -> list[Route]:
        return [
            Route("/api/about/slo", self.slo),
            Route("/api/about/monitoring", self.monitoring),
            Route("/api/about/series", self.series),
            Route("/api/about/values", self.values),
        ]

    async def slo(self, request: Request) -> Response:
        self._may_read(request)
        return json_response(await self._slo.get(self._judged))

    async def monitoring(self, request: Request) -> Response:
        self._may_read(request)
        return json_response(await self._monitoring.get(self._looked_at))

    async def series(self, request: Request) -> Response:
        self._may_read(request)
        asked = request.query_params.get("window", "1h")
        if asked not in SERIES_WINDOWS_S:
            allowed = " or ".join(SERIES_WINDOWS_S)
            raise Problem(
                400, "Bad parameter", f"window must be {allowed}; it came as {asked[:80]!r}", "window"
            )
        snapshots, interval_s = self._collecting.shared.snapshots(), self._collecting.plan.interval_s
        return json_response(series.answer(snapshots, interval_s, self._now(), SERIES_WINDOWS_S[asked]))

    async def values(self, request: Request) -> Response:
        """What the alert rules are compared with at this moment."""
        self._may_read(request)
        return json_response(await self._values.get(self._measured))

    def _now(self) -> float:
        return self._collecting.clock.now()

    def _monotonic(self) -> float:
        return self._collecting.clock.monotonic()

    async def _judged(self) -> Facts:
        await self._collecting.shared.refresh()
        values = self._collecting.known({})
        return {"at": _stamp(self._now()), "rows": slo.rows(values, *self._collecting.windows())}

    async def _measured(self) -> Facts:
        values = {**await self._collecting.values(), **self._others.measured()}
        shown = {
            name: {"value": round(value, 6), "samples": samples}
            for name, (value, samples) in sorted(values.items())
        }
        return {"at": _stamp(self._now()), "values": shown}

    async def _looked_at(self) -> Facts:
        values = await self._collecting.values()
        collecting = self._collecting
        return {
            "environment": self._others.environment,
            "replica": collecting.shared.replica,
            "leader": self._others.leader(),
            "shared": collecting.shared.shared,
            "replicas": self._replicas(),
            "collector": self._collector(),
            "alerts": self._others.alerts_status(),
            "queue": {"size": _whole(values, "queue.size"), "ageSeconds": _value(values, "queue.age_s")},
            "spool": {
                "state": "up" if _value(values, "spool.up") else "away",
                "length": _whole(values, "spool.length"),
                "ageSeconds": _value(values, "spool.age_s"),
                "fillPercent": _value(values, "spool.fill"),
            },
            "deadLetters": {
                "count": _whole(values, "dead_letters.count"),
                "ageSeconds": _value(values, "dead_letters.age_s"),
            },
            # Of the way to the backup; null where nobody asked the database, or there is no backup.
            "wal": {
                "syncDegraded": _switch(values, "wal.sync_degraded"),
                "receiverAgeSeconds": _value(values, "wal.receiver_age_s"),
                "receiverLagBytes": _whole(values, "wal.receiver_lag_bytes"),
                "slotFillPercent": _value(values, "slot.fill"),
                "slotLost": _switch(values, "slot.lost"),
            },
            "cache": {"hitRatePercent": _value(values, "cache.hit_rate")},
            "overheadMilliseconds": _value(values, "monitoring.overhead", digits=6),
            "switches": self._others.switches(),
            "backup": self._others.backup(),
        }

    def _replicas(self) -> list[Facts]:
        standing, ages = self._collecting.standing(), self._collecting.shared.live()
        return [_replica(standing[one], ages[one]) for one in sorted(standing)]

    def _collector(self) -> Facts:
        collecting = self._collecting
        stale = collecting.running and collecting.age_s > SILENT_INTERVALS * collecting.plan.interval_s
        return {
            "isRunning": collecting.running,
            "lastRun": None if collecting.last_run is None else _stamp(collecting.last_run),
            "ageSeconds": round(collecting.age_s, 3),
            "stale": stale,
            "intervalMs": round(1000 * collecting.plan.interval_s),
            "snapshotMicroseconds": round(collecting.snapshot_us),
        }


def _replica(one: Snapshot, age_s: float) -> Facts:
    return {
        "id": one.replica,
        "ageSeconds": round(age_s, 3),
        "queue": {"size": one.queue_rows, "ageSeconds": round(one.queue_age_s, 3)},
        "pool": {"open": one.pool_open, "free": one.pool_free, "awaited": one.pool_awaited},
        # Before the end of its first interval nobody knows.
        "cpuPercent": round(one.cpu_percent, 1) if one.duration_s > 0 else None,
        "rssBytes": one.rss_bytes,
        "eventLoopLagSeconds": round(one.lag_s, 6),
        "draining": one.draining,
    }


def _value(values: Mapping[str, Measured], name: str, digits: int = 3) -> float | None:
    return round(values[name][0], digits) if name in values else None


def _whole(values: Mapping[str, Measured], name: str) -> int | None:
    return round(values[name][0]) if name in values else None


def _switch(values: Mapping[str, Measured], name: str) -> bool | None:
    return bool(values[name][0]) if name in values else None


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
