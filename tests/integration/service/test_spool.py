"""The stream in a real Redis: nothing that was acknowledged leaves it before its COMMIT."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
import redis

from service import redisdb
from service.errors import StoreUnavailable
from service.insights import testing_spool
from service.insights.spool import GROUP, STREAM, WAITING, RedisSpool
from service.insights.testing_spool import Pair, spooled
from tests.integration.service.conftest import Cache

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pair(queue: Cache) -> AsyncIterator[tuple[RedisSpool, RedisSpool]]:
    spools = [
        RedisSpool(redisdb.connect(queue.url, timeout_s=5, most_connections=4), name)
        for name in ("one", "two")
    ]
    yield spools[0], spools[1]
    for one in spools:
        await one.close()


@pytest.mark.parametrize("case", testing_spool.CONTRACT, ids=lambda case: case.__name__)
async def test_the_redis_spool_keeps_the_contract(
    pair: Pair, case: Callable[[Pair], Awaitable[None]]
) -> None:
    await case(pair)


async def test_an_acknowledged_entry_survives_a_kill_of_redis(
    pair: tuple[RedisSpool, RedisSpool], queue: Cache
) -> None:
    one, two = pair
    entries = [spooled(f"order:{n}") for n in range(500)]
    for n in range(0, 500, 10):
        await one.add(entries[n : n + 10])
    await asyncio.to_thread(queue.kill)
    with pytest.raises(StoreUnavailable):
        await one.add([spooled("order:late")])
    await asyncio.to_thread(queue.start)
    await asyncio.to_thread(queue.await_ready)
    claimed = await two.claim(1000)
    assert {each.decision_id for each in claimed} == {each.decision_id for each in entries}


async def test_what_a_replica_held_when_it_died_is_claimed_and_counted(
    pair: tuple[RedisSpool, RedisSpool], queue: Cache
) -> None:
    one, _ = pair
    await one.add([spooled(f"order:{n}") for n in range(5)])
    held = await one.claim(3)
    heir = RedisSpool(redisdb.connect(queue.url, timeout_s=5, most_connections=2), "heir", timedelta(0))
    claimed = await heir.claim(4)
    assert [each.deliveries for each in claimed] == [2, 2, 2, 1]
    assert claimed[:3] == [
        type(each)(each.entry_id, 2, each.spooled, each.decision_id, each.raw) for each in held
    ]
    await heir.finish(claimed)
    await one.finish(held)
    assert await heir.count() == 1
    await heir.close()


async def test_a_full_redis_refuses_and_is_still_drained(
    pair: tuple[RedisSpool, RedisSpool], queue: Cache
) -> None:
    """A spool that could be filled and not be emptied would stay full for ever."""
    one, two = pair
    await one.add([spooled("order:0")])
    with redis.Redis.from_url(queue.url) as client:
        most = client.config_get("maxmemory")["maxmemory"]
        added = 1
        # What the server itself takes has to leave it less than full once the spool is empty again.
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] * 3 // 2 + 300_000))
        try:
            with pytest.raises(StoreUnavailable, match="maxmemory"):  # noqa: PT012  # fills until it is full
                for number in range(1, 10_000):
                    await one.add([spooled(f"order:{number}", note="x" * 2000)])
                    added += 1
            state = await one.state()
            assert state.length == added
            assert state.fill_percent is not None
            assert state.fill_percent > 90
            claimed = await two.claim(1000)
            assert len(claimed) == added
            await two.give_back(claimed, tried=True)
            again = await one.claim(1000)
            assert len(again) == added
            await one.finish(again)
            assert (await one.count(), client.hlen(WAITING)) == (0, 0)
            await one.add([spooled("order:after")])
        finally:
            client.config_set("maxmemory", most)


async def test_the_last_tenth_of_its_memory_is_left_to_what_steers_the_replicas(
    pair: tuple[RedisSpool, RedisSpool], queue: Cache
) -> None:
    one, _ = pair
    await one.add([spooled("order:0")])
    with redis.Redis.from_url(queue.url) as client:
        most = client.config_get("maxmemory")["maxmemory"]
        # With it 7 % is more than what clients' buffers take; in pieces, since a client may not take so much.
        for _ in range(16):
            client.append("amas:ballast", b"x" * 500_000)
        client.config_set("maxmemory", str(round(client.info("memory")["used_memory"] / 0.93)))
        try:
            await one.state()
            with pytest.raises(StoreUnavailable, match="of its server's maxmemory is used"):
                await one.add([spooled("order:1")])
            client.hset("amas:test", "switch", "on")
            assert await one.count() == 1
        finally:
            client.config_set("maxmemory", most)
            client.delete("amas:test", "amas:ballast")
        await one.add([spooled("order:2")])


async def test_nothing_of_it_is_ever_trimmed(pair: tuple[RedisSpool, RedisSpool], queue: Cache) -> None:
    one, _ = pair
    await one.add([spooled(f"order:{n}") for n in range(2000)])
    assert await one.count() == 2000
    with redis.Redis.from_url(queue.url) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("appendfsync")["appendfsync"] == "always"


async def test_a_consumer_leaves_only_when_it_holds_nothing(queue: Cache) -> None:
    one, two = (
        RedisSpool(redisdb.connect(queue.url, timeout_s=5, most_connections=2), name)
        for name in ("one", "two")
    )
    await one.add([spooled("order:1")])
    await one.claim(1)
    assert await two.claim(1) == []
    await asyncio.gather(one.close(), two.close())
    with redis.Redis.from_url(queue.url) as client:
        consumers = client.xinfo_consumers(STREAM, GROUP)
    assert [each["name"] for each in consumers] == [b"one"]
