"""Whether the database's WAL reaches the backup: asked of the database, judged by the alert rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

# A value and the number of measurements behind it.
Measured = tuple[float, int]
# What is exposed, of what the alerts judge.
SERIES = {
    "wal.sync_degraded": ("amas_wal_sync_degraded", "1 while commits should wait for the backup and do not."),
    "wal.receiver_age_s": ("amas_wal_receiver_age_seconds", "Since the backup's receiver was last heard."),
    "wal.receiver_lag_bytes": ("amas_wal_receiver_lag_bytes", "WAL that the backup does not have yet."),
    "slot.retained_bytes": ("amas_wal_slot_retained_bytes", "WAL that is kept for the backup."),
    "slot.fill": ("amas_wal_slot_fill_percent", "The same, of what may be kept."),
    "slot.lost": ("amas_wal_slot_lost", "1 when WAL was dropped that the backup lacks."),
}


class Database(Protocol):
    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Gauge(Protocol):
    def wal(self, values: Mapping[str, float]) -> None: ...


@dataclass(frozen=True)
class WalFacts:
    """A row of wal_facts() in the database."""

    synchronous: bool
    lag_bytes: int | None
    heard_at: datetime | None
    away_since: datetime | None
    retained_bytes: int | None
    safe_bytes: int | None
    slot_lost: bool | None


@dataclass(frozen=True)
class Wal:
    """`wanted`: commits are to wait for the receiver."""

    database: Database
    gauge: Gauge
    wanted: bool
    now: Callable[[], datetime]

    async def facts(self) -> dict[str, Measured]:
        """Raises StoreUnavailable."""
        rows = await self.database.rows("wal_facts", {})
        if not rows:
            return {}
        values = judge(WalFacts(*rows[0]), self.wanted, self.now())
        self.gauge.wal(values)
        return {name: (value, 1) for name, value in values.items()}


def judge(seen: WalFacts, wanted: bool, now: datetime) -> dict[str, float]:
    """What is not known, or not so at the moment, is missing."""
    values = {"wal.sync_degraded": float(wanted and not seen.synchronous)}
    if seen.heard_at is not None:
        values["wal.receiver_age_s"] = max(0.0, (now - seen.heard_at).total_seconds())
    if seen.lag_bytes is not None:
        values["wal.receiver_lag_bytes"] = float(max(0, seen.lag_bytes))
    if seen.slot_lost is not None:
        values |= _slot(seen, now)
    return values


def _slot(seen: WalFacts, now: datetime) -> dict[str, float]:
    if seen.slot_lost or seen.retained_bytes is None:
        return {"slot.lost": float(bool(seen.slot_lost)), "slot.fill": 100.0 * bool(seen.slot_lost)}
    retained = max(0, seen.retained_bytes)
    values = {"slot.lost": 0.0, "slot.retained_bytes": float(retained)}
    if seen.safe_bytes is None:
        return values
    safe = max(0, seen.safe_bytes)
    values["slot.fill"] = 100.0 * retained / max(1, retained + safe)
    if seen.away_since is not None and retained:
        # All of it was written since the receiver went, or little before; so it goes on.
        away_s = max(0.0, (now - seen.away_since).total_seconds())
        values["slot.minutes_left"] = safe * away_s / retained / 60
    return values
