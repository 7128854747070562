"""Insights written an hour, counted once for all who ask at the same time and for a while after."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from service.insights.flights import Flights
from service.insights.insight import Cache, Database

KEY = "insights:rate:"


class Rates:
    """By the cache, else by the database; windows of the same length are one, however they are written."""

    def __init__(self, database: Database, cache: Cache, ttl_s: float, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cache = cache
        self._ttl_s = ttl_s
        self._now = now
        self._flights: Flights[bytes] = Flights()

    async def read(self, window_hours: int) -> tuple[bytes, bool]:
        """The hours in JSON, newest first, and whether they came from the cache."""
        key = f"{KEY}{window_hours}h"
        cached = await self._cache.get(key)
        if cached is not None:
            return cached, True
        return await self._flights.join(key, lambda: self._counted(key, window_hours)), False

    async def _counted(self, key: str, window_hours: int) -> bytes:
        since = self._now() - timedelta(hours=window_hours)
        rows = await self._database.rows("rate", {"since": since})
        hours = msgspec.json.encode([{"hour": hour, "insightsWritten": count} for hour, count in rows])
        await self._cache.put(key, hours, self._ttl_s)
        return hours
