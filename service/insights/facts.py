"""What the collector asks beside the queue: how much waits where, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.errors import StoreUnavailable
from service.insights import spool
from service.insights.insight import Database
from service.insights.spool import Spool

# A value and the number of measurements behind it.
Measured = tuple[float, int]
DAY_S = 86_400.0


@dataclass(frozen=True)
class Facts:
    """Of the spool and the database, which all replicas share; a part that is not there is missing."""

    spool: Spool
    database: Database
    now: Callable[[], datetime]
    kept_for: timedelta

    async def of_spool(self) -> dict[str, Measured]:
        """A spool that does not answer is down, and nothing else is known of it."""
        try:
            state = await self.spool.state()
        except StoreUnavailable:
            return {"spool.up": (0.0, 1)}
        came: dict[str, Measured] = {
            "spool.up": (1.0, 1),
            "spool.length": (float(state.length), 1),
            "spool.age_s": (spool.age_s(state, self.now()), 1),
        }
        if state.fill_percent is not None:
            came["spool.fill"] = (state.fill_percent, 1)
        return came

    async def of_database(self) -> dict[str, Measured]:
        """Raises StoreUnavailable."""
        rows = await self.database.rows("insight_facts", {})
        if not rows:
            return {}
        letters, oldest_letter, last_retention, oldest_chunk_end = rows[0]
        oldest_chunk_s = self._age_s(oldest_chunk_end)
        came: dict[str, Measured] = {
            "dead_letters.count": (float(letters), 1),
            "dead_letters.age_s": (self._age_s(oldest_letter), 1),
            "chunk.oldest_age_days": (oldest_chunk_s / DAY_S, 1),
            "chunk.overdue_days": (max(0.0, oldest_chunk_s - self.kept_for.total_seconds()) / DAY_S, 1),
        }
        if last_retention is not None:
            came["retention.age_s"] = (self._age_s(last_retention), 1)
        return came

    def _age_s(self, since: datetime | None) -> float:
        return max(0.0, (self.now() - since).total_seconds()) if since else 0.0
