"""Reading an insight: cache first, database once, and never an error because of the cache."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from service.insights.insight import Insights
from service.insights.testing import MemoryCache, uuid7

pytestmark = pytest.mark.anyio


class Database:
    def __init__(self, found: str | None) -> None:
        self.found = found
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def rows(self, query: str, _: Mapping[str, object]) -> list[tuple[Any, ...]]:
        self.asked.append(query)
        await self.open.wait()
        return [(self.found,)] if self.found else []


class Count:
    value = 0

    def inc(self) -> None:
        self.value += 1


def insights(database: Database, cache: MemoryCache) -> Insights:
    return Insights(database, cache, Count(), Count(), ttl_s=300)


async def test_a_miss_fills_the_cache_and_the_next_read_hits() -> None:
    database, cache = Database("{}"), MemoryCache()
    reader = insights(database, cache)
    assert await reader.read("order:1") == (b"{}", False)
    assert await reader.read("order:1") == (b"{}", True)
    assert cache.entries == {"decision_insight:order:1": (b"{}", 300)}
    assert len(database.asked) == 1


async def test_an_id_with_a_time_needs_no_key() -> None:
    database = Database("{}")
    reader = insights(database, MemoryCache())
    await reader.read(uuid7(datetime.now(UTC)))
    await reader.read("order:1")
    assert database.asked == ["insight_by_time", "insight_by_key"]


async def test_all_who_ask_at_once_share_one_question() -> None:
    database = Database("{}")
    database.open.clear()
    reader = insights(database, MemoryCache())
    asking = [asyncio.create_task(reader.read("order:1")) for _ in range(20)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    database.open.set()
    assert await asyncio.gather(*asking[1:]) == [(b"{}", False)] * 19
    assert len(database.asked) == 1


async def test_a_missing_insight_is_not_cached() -> None:
    """It may be stored in the next moment."""
    database, cache = Database(None), MemoryCache()
    reader = insights(database, cache)
    assert await reader.read("order:1") == (None, False)
    database.found = "{}"
    assert await reader.read("order:1") == (b"{}", False)
