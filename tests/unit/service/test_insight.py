"""Reading an insight: cache first, database once, and never an error because of the cache."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from service.errors import StoreUnavailable
from service.insights.insight import CannotTell, Insights
from service.insights.missing import Missing
from service.insights.pending import MOST_AT_ONCE, REST_S, Pending
from service.insights.testing import MemoryCache, uuid7
from service.insights.testing_spool import MemorySpool, MemoryStream, spooled

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


class Counts:
    def __init__(self) -> None:
        self.cache_hits, self.cache_misses = Count(), Count()


NOW = datetime(2026, 11, 23, tzinfo=UTC)


def insights(database: Database, cache: MemoryCache, spool: MemorySpool | None = None) -> Insights:
    missing = Missing(lambda: 0.0, lambda: NOW, lambda: 0.5)
    pending = Pending(spool or MemorySpool(), lambda: 0.0)
    return Insights(database, cache, pending, missing, Counts(), ttl_s=300)


async def test_a_miss_fills_the_cache_and_the_next_read_hits() -> None:
    database, cache = Database("{}"), MemoryCache()
    reader = insights(database, cache)
    assert await reader.read("order:1") == (b"{}", False, False)
    assert await reader.read("order:1") == (b"{}", True, False)
    assert cache.entries == {"decision_insight:order:1": (b"{}", 300)}
    assert len(database.asked) == 1


async def test_what_a_run_reads_leaves_the_hit_rate_alone() -> None:
    reader = insights(Database("{}"), MemoryCache())
    for counted in (False, False, True):
        await reader.read("order:1", counted=counted)
    counts = reader._counts
    assert isinstance(counts, Counts)
    assert (counts.cache_hits.value, counts.cache_misses.value) == (1, 0)


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
    assert await asyncio.gather(*asking[1:]) == [(b"{}", False, False)] * 19
    assert len(database.asked) == 1


async def test_a_missing_insight_is_asked_for_once_in_a_moment() -> None:
    database = Database(None)
    reader = insights(database, MemoryCache())
    assert [await reader.read("order:1") for _ in range(3)] == [(None, False, False)] * 3
    assert len(database.asked) == 2, "before and after the spool was asked"


async def test_a_missing_insight_whose_id_is_fresh_is_asked_for_each_time() -> None:
    """It may be stored by another replica in the next moment."""
    database, cache = Database(None), MemoryCache()
    reader, decision_id = insights(database, cache), uuid7(NOW)
    assert await reader.read(decision_id) == (None, False, False)
    database.found = "{}"
    assert await reader.read(decision_id) == (b"{}", False, False)


async def test_what_waits_in_the_spool_is_pending_and_never_remembered_as_missing() -> None:
    database, spool = Database(None), MemorySpool()
    reader = insights(database, MemoryCache(), spool)
    assert await reader.read("order:1") == (None, False, False)
    await spool.add([spooled("order:1"), spooled("order:2")])
    assert await reader.read("order:1") == (None, False, True)
    assert await reader.read("order:2") == (None, False, True)
    await spool.finish(await spool.claim(2))
    database.found = "{}"
    assert await reader.read("order:1") == (b"{}", False, False)
    assert await reader.read("order:2") == (b"{}", False, False)


async def test_what_another_replica_has_spooled_is_pending_before_it_is_heard_of_here() -> None:
    stream = MemoryStream()
    here, there = MemorySpool(stream, "here"), MemorySpool(stream, "there")
    reader = insights(Database(None), MemoryCache(), here)
    await there.add([spooled("order:1")])
    assert here.known_length == 0
    assert await reader.read("order:1") == (None, False, True)


async def test_while_the_spool_is_away_only_what_is_known_is_told() -> None:
    database, spool = Database(None), MemorySpool()
    reader = insights(database, MemoryCache(), spool)
    assert await reader.read("order:1") == (None, False, False)
    spool.stream.away = True
    assert await reader.read("order:1") == (None, False, False)
    for _ in range(2):
        with pytest.raises(CannotTell, match="order:2"):
            await reader.read("order:2")
    database.found = "{}"
    assert await reader.read("order:2") == (b"{}", False, False)


async def test_a_spool_that_is_away_is_left_alone_for_a_while() -> None:
    spool, now, asked = MemorySpool(), 0.0, []
    spool.stream.away = True
    holds = spool.holds

    async def counted(decision_id: str) -> bool:
        asked.append(decision_id)
        return await holds(decision_id)

    spool.holds = counted  # type: ignore[method-assign]
    pending = Pending(spool, lambda: now)
    assert [await pending.holds("order:1") for _ in range(3)] == [None] * 3
    assert len(asked) == 1
    spool.stream.away = False
    now += REST_S
    assert await pending.holds("order:1") is False


async def test_reads_take_few_of_the_connections_of_the_spool() -> None:
    spool, open_, at_once, most = MemorySpool(), asyncio.Event(), 0, 0

    async def slow(_: str) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await open_.wait()
        at_once -= 1
        return True

    spool.holds = slow  # type: ignore[method-assign,assignment]
    pending = Pending(spool, lambda: 0.0)
    asking = [asyncio.create_task(pending.holds(f"order:{n}")) for n in range(50)]
    await asyncio.sleep(0)
    open_.set()
    assert await asyncio.gather(*asking) == [True] * 50
    assert most == MOST_AT_ONCE


async def test_what_is_drained_during_the_look_up_is_found() -> None:
    database, spool = Database(None), MemorySpool()
    await spool.add([spooled("order:other")])

    async def drained(_: str) -> bool:
        database.found = "{}"
        return False

    spool.holds = drained  # type: ignore[method-assign,assignment]
    assert await insights(database, MemoryCache(), spool).read("order:1") == (b"{}", False, False)


async def test_with_the_database_away_the_spool_is_asked_and_else_it_is_told() -> None:
    database, spool = Database(None), MemorySpool(MemoryStream())
    await spool.add([spooled("order:1")])

    async def away(query: str, _: Mapping[str, object]) -> list[tuple[Any, ...]]:
        raise StoreUnavailable("gone")

    database.rows = away  # type: ignore[method-assign]
    reader = insights(database, MemoryCache(), spool)
    assert await reader.read("order:1") == (None, False, True)
    with pytest.raises(StoreUnavailable):
        await reader.read("order:2")
    spool.stream.away = True
    with pytest.raises(StoreUnavailable):
        await reader.read("order:1")
