"""Reading one insight: from the cache, else from the database, once for all who ask at the same time."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from service.insights.decision import time_of

KEY = "decision_insight:"


class Cache(Protocol):
    """What reading needs of a cache; it never raises."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def drop(self, keys: list[str]) -> bool: ...


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Counter(Protocol):
    """A counter of service.metrics."""

    def inc(self) -> None: ...


class Insights:
    """Insights never change once stored, so whatever is cached is right until it is purged."""

    def __init__(
        self, database: Database, cache: Cache, hits: Counter, misses: Counter, ttl_s: float
    ) -> None:
        self._database = database
        self._cache = cache
        self._hits = hits
        self._misses = misses
        self._ttl_s = ttl_s
        self._flights: dict[str, asyncio.Task[bytes | None]] = {}

    async def read(self, decision_id: str) -> tuple[bytes | None, bool]:
        """The insight in JSON, None when there is none, and whether it came from the cache."""
        cached = await self._cache.get(KEY + decision_id)
        if cached is not None:
            self._hits.inc()
            return cached, True
        self._misses.inc()
        flight = self._flights.get(decision_id)
        if flight is None:
            flight = asyncio.create_task(self._fetch(decision_id))
            self._flights[decision_id] = flight
            flight.add_done_callback(lambda _: self._flights.pop(decision_id, None))
        # Shielded: one who gives up must not take the answer from the others.
        return await asyncio.shield(flight), False

    async def forget(self, decision_ids: list[str]) -> bool:
        """False when the cache could not be asked."""
        return await self._cache.drop([KEY + one for one in decision_ids])

    async def _fetch(self, decision_id: str) -> bytes | None:
        """A missing row is not cached: it may be stored in the next moment."""
        created_at = time_of(decision_id)
        rows = await self._database.rows(
            "insight_by_key" if created_at is None else "insight_by_time",
            {"decision_id": decision_id, "created_at": created_at},
        )
        if not rows:
            return None
        insight: bytes = rows[0][0].encode()
        await self._cache.put(KEY + decision_id, insight, self._ttl_s)
        return insight
