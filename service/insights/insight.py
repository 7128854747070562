"""Reading one insight: from the cache, else from the database, once for all who ask at the same time.

What is in neither is asked for in the spool: only an id that none of them holds is not there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from service.errors import StoreUnavailable
from service.insights.decision import time_of
from service.insights.flights import Flights
from service.insights.missing import Missing
from service.insights.pending import Pending

KEY = "decision_insight:"


class Cache(Protocol):
    """What reading needs of a cache; it never raises."""

    async def get(self, key: str) -> bytes | None: ...

    async def get_many(self, keys: list[str]) -> list[bytes | None]: ...

    async def stands(self, key: str) -> bool | None:
        """None when the cache could not be asked."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def add(self, key: str, value: bytes, ttl_s: float) -> None:
        """Unless the key is there already."""

    async def drop(self, keys: list[str]) -> bool: ...

    async def drop_prefix(self, prefix: str) -> bool: ...


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Counter(Protocol):
    """A counter of service.metrics."""

    def inc(self) -> None: ...


class Counts(Protocol):
    """The part of service.metrics that is used here."""

    @property
    def cache_hits(self) -> Counter: ...
    @property
    def cache_misses(self) -> Counter: ...


class CannotTell(StoreUnavailable):
    """The database does not hold it, and the spool, which may, does not answer."""


class Reading(NamedTuple):
    """What a look-up found."""

    # In JSON; None when there is none.
    insight: bytes | None
    from_cache: bool = False
    # Acknowledged and durable, but not yet in the database.
    pending: bool = False


class Insights:
    """Insights never change once stored, so whatever is cached is right until it is purged."""

    def __init__(
        self,
        database: Database,
        cache: Cache,
        pending: Pending,
        missing: Missing,
        counts: Counts,
        ttl_s: float,
    ) -> None:
        self._database = database
        self._cache = cache
        self._pending = pending
        self._missing = missing
        self._counts = counts
        self._ttl_s = ttl_s
        self._flights: Flights[bytes | None] = Flights()

    async def read(self, decision_id: str, *, counted: bool = True) -> Reading:
        """Cache, database, spool; raises StoreUnavailable when one that may hold it does not answer.

        A load or smoke run reads each insight once: counted, it would make the hit rate its own.
        """
        cached = await self._cache.get(KEY + decision_id)
        if cached is not None:
            if counted:
                self._counts.cache_hits.inc()
            return Reading(cached, from_cache=True)
        if counted:
            self._counts.cache_misses.inc()
        if self._missing.knows(decision_id):
            # By what was known a moment ago, if the spool cannot be asked.
            return Reading(None, pending=bool(await self._waits(decision_id)))
        try:
            insight = await self._shared(decision_id)
        except StoreUnavailable:
            if await self._waits(decision_id):
                return Reading(None, pending=True)
            raise
        return Reading(insight) if insight is not None else await self._missed(decision_id)

    async def _missed(self, decision_id: str) -> Reading:
        """For an id the database did not hold."""
        waits = await self._waits(decision_id)
        if waits is None:
            raise CannotTell(f"the spool does not answer, which may hold {decision_id}")
        if waits:
            return Reading(None, pending=True)
        # It may have been brought from the one to the other between the two questions.
        return Reading(await self._fetch(decision_id, final=True))

    async def _waits(self, decision_id: str) -> bool | None:
        waits = await self._pending.holds(decision_id)
        if waits:
            self._missing.forget(decision_id)
        return waits

    async def _shared(self, decision_id: str) -> bytes | None:
        return await self._flights.join(decision_id, lambda: self._fetch(decision_id))

    async def forget(self, decision_ids: list[str]) -> bool:
        """False when the cache could not be asked."""
        return await self._cache.drop([KEY + one for one in decision_ids])

    async def forget_all(self) -> bool:
        """False when the cache could not be asked."""
        return await self._cache.drop_prefix(KEY)

    async def _fetch(self, decision_id: str, *, final: bool = False) -> bytes | None:
        """`final` when the spool did not hold it before: then it is missing if it is not here."""
        created_at = time_of(decision_id)
        query = "insight_by_key" if created_at is None else "insight_by_time"
        with self._missing.looking(decision_id) as look:
            rows = await self._database.rows(query, {"decision_id": decision_id, "created_at": created_at})
            if not rows:
                if final:
                    self._missing.remember(decision_id, created_at, look)
                return None
        insight: bytes = rows[0][0].encode()
        await self._cache.put(KEY + decision_id, insight, self._ttl_s)
        return insight
