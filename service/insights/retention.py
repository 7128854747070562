"""Keeps no insight longer than it may be kept: drops whole days, then what belonged to them."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from service.errors import StoreRefused, StoreUnavailable

EVERY = timedelta(days=1)
# How often it is looked whether a run is due; what fails is tried again then.
LOOK_EVERY_S = 600.0
# Rows that one statement deletes, so that none runs into its time limit.
PRUNE_ROWS = 5000

logger = logging.getLogger("Retention")


class Chunk(NamedTuple):
    """A day of insights; the end is the first moment after it."""

    start: datetime
    end: datetime


class Plan(NamedTuple):
    """What to do now."""

    # Before it nothing is kept.
    cutoff: datetime
    # One step each, so that none holds its locks for long.
    drop_before: list[datetime]
    # A key outlives the chunk of its row: without it the id could be stored a second time.
    keys_before: datetime
    oldest_age: timedelta


class Session(Protocol):
    """The part of db.Session that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Gauge(Protocol):
    """What the retention tells; service.metrics has the real one."""

    def retained(self, last_success: float | None, oldest_chunk_age_s: float) -> None: ...

    def retention_failed(self) -> None: ...


def plan(now: datetime, chunks: Sequence[Chunk], days: int) -> Plan:
    """A chunk may go when all of it is older than so many days."""
    cutoff = now - timedelta(days=days)
    old = sorted(one.end for one in chunks if one.end <= cutoff)
    kept = min((one.start for one in chunks if one.end > cutoff), default=cutoff)
    return Plan(cutoff, old, min(cutoff, kept), oldest_age(now, chunks))


def oldest_age(now: datetime, chunks: Sequence[Chunk]) -> timedelta:
    """Since the end of the oldest chunk, so that a chunk of exactly the retention's age is due."""
    return max(timedelta(), now - min((one.end for one in chunks), default=now))


def is_due(now: datetime, last_success: datetime | None) -> bool:
    return last_success is None or now - last_success >= EVERY


@dataclass(frozen=True)
class Retention:
    """Runs once a day on one replica; `is_leader` says on which, the database's lock makes it sure."""

    session: Session
    gauge: Gauge
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    days: int
    is_leader: Callable[[], bool] = lambda: True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (StoreUnavailable, StoreRefused) as error:
                self.gauge.retention_failed()
                logger.error("retention failed", extra={"reason": str(error)})  # noqa: TRY400  # its reason says it all
            except Exception:
                self.gauge.retention_failed()
                logger.exception("retention failed")
            await self.sleep(LOOK_EVERY_S)

    async def look(self) -> bool:
        """True when a run was due and was done."""
        last, chunks = await self._last_success(), await self._chunks()
        now = self.now()
        done = self.is_leader() and is_due(now, last) and await self._apply(plan(now, chunks, self.days))
        if done:
            last, chunks = now, await self._chunks()
        age_s = oldest_age(now, chunks).total_seconds()
        self.gauge.retained(last.timestamp() if last else None, age_s)
        return done

    async def _apply(self, wanted: Plan) -> bool:
        """False when another session is at it: a key must not go before the chunk of its row has gone."""
        dropped = 0
        for before in wanted.drop_before:
            gone = await self.session.rows("drop_old_chunks", {"cutoff": before})
            if not gone:
                logger.info("retention waits", extra={"reason": "another session drops the same chunks"})
                return False
            dropped += len(gone)
        done = {
            "cutoff": wanted.cutoff,
            "chunks": dropped,
            "keys": await self._pruned("prune_keys", wanted.keys_before),
            "letters": await self._pruned("prune_letters", wanted.cutoff),
        }
        await self.session.rows("record_retention", done)
        logger.info("retention done", extra=done | {"cutoff": wanted.cutoff.isoformat()})
        return True

    async def _pruned(self, query: str, cutoff: datetime) -> int:
        pruned = 0
        while True:
            rows = await self.session.rows(query, {"cutoff": cutoff, "most": PRUNE_ROWS})
            gone = int(rows[0][0])
            pruned += gone
            if gone < PRUNE_ROWS:
                return pruned

    async def _last_success(self) -> datetime | None:
        ((last,),) = await self.session.rows("last_retention", {})
        return last if isinstance(last, datetime) else None

    async def _chunks(self) -> list[Chunk]:
        rows = await self.session.rows("chunks", {})
        return [Chunk(start.astimezone(UTC), end.astimezone(UTC)) for start, end in rows]
