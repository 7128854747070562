"""The cluster's figures are kept in the database: history for reviews of thresholds and of capacity."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from service.collector.series import Interval, intervals
from service.collector.snapshot import Snapshot
from service.errors import StoreRefused, StoreUnavailable

# How far a new leader looks back for what the one before may have left unwritten.
CATCH_UP_S = 300.0
RETENTION_EVERY_S = 86_400.0

logger = logging.getLogger("Collector")


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Keep:
    """Whoever leads writes one row for each interval, and drops those that are too old once a day."""

    def __init__(self, database: Database, is_leader: Callable[[], bool], interval_s: float) -> None:
        self._database = database
        self._is_leader = is_leader
        self._interval_s = interval_s
        self._kept_until = float("-inf")
        self._dropped_at = float("-inf")

    async def keep(self, snapshots: Iterable[Snapshot], now: float) -> None:
        """What cannot be written now is with the next interval."""
        if not self._is_leader():
            self._kept_until = float("-inf")
            return
        # The step that ends now is still under way for the others.
        until = (int(now / self._interval_s) - 1) * self._interval_s
        since = max(self._kept_until, until - max(CATCH_UP_S, self._interval_s))
        rows = [_row(one) for one in intervals(snapshots, self._interval_s, since, until)]
        try:
            if rows:
                await self._database.rows("keep_intervals", {"rows": msgspec.json.encode(rows).decode()})
            self._kept_until = until
            if now - self._dropped_at >= RETENTION_EVERY_S:
                await self._database.rows("drop_old_metric_snapshots", {})
                self._dropped_at = now
        except (StoreUnavailable, StoreRefused) as error:
            logger.warning("the interval was not kept: %s", error)


def _row(interval: Interval) -> dict[str, object]:
    at = datetime.fromtimestamp(interval.at, UTC).isoformat()
    return {"at": at, "interval_s": interval.length_s} | interval.kept()
