"""The rate is counted once for all windows of the same length, and for all who ask at the same time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.errors import StoreUnavailable
from service.insights.rates import Rates
from service.insights.testing import MemoryCache

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
HOURS = b'[{"hour":"2026-11-23T15:00:00Z","insightsWritten":7}]'


@dataclass
class Database:
    asked: list[object] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False

    async def rows(self, _: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        self.asked.append(parameters["since"])
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("gone")
        return [(datetime(2026, 11, 23, 15, tzinfo=UTC), 7)]


async def test_all_who_ask_at_once_share_one_count_and_the_cache_answers_after_it() -> None:
    database, cache = Database(), MemoryCache()
    rates = Rates(database, cache, 60, lambda: NOW)
    asking = [asyncio.create_task(rates.read(24)) for _ in range(20)]
    other = asyncio.create_task(rates.read(48))
    for _ in range(5):
        await asyncio.sleep(0)
    asking[0].cancel()
    database.open.set()
    assert await asyncio.gather(*asking[1:], other) == [(HOURS, False)] * 20
    assert await rates.read(24) == (HOURS, True)
    assert database.asked == [NOW - timedelta(hours=24), NOW - timedelta(hours=48)]
    assert cache.entries["insights:rate:24h"] == (HOURS, 60)


async def test_a_failure_is_that_of_all_who_waited_and_of_nobody_after_them() -> None:
    database = Database(away=True)
    database.open.set()
    rates = Rates(database, MemoryCache(), 60, lambda: NOW)
    failed = await asyncio.gather(*(rates.read(24) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failed] == [StoreUnavailable] * 3
    assert len(database.asked) == 1
    database.away = False
    assert await rates.read(24) == (HOURS, False)
