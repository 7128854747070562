"""A Redis that does not answer is a miss and a count, never an error; here its socket is not there."""

import asyncio
from collections.abc import Sequence

import pytest

from service import cache as module
from service.cache import REST_S, RedisCache

pytestmark = pytest.mark.anyio


class Count:
    value = 0

    def inc(self) -> None:
        self.value += 1


async def test_a_failing_redis_is_a_miss_and_is_left_alone_for_a_while() -> None:
    now, errors = [0.0], Count()
    cache = RedisCache("unix:///nowhere/redis.sock", errors, lambda: now[0])
    assert await cache.get("k") is None
    await cache.put("k", b"v", 300)
    assert await cache.get("k") is None
    assert errors.value == 1
    now[0] += REST_S
    assert await cache.get("k") is None
    assert errors.value == 2
    assert not await cache.drop(["k"])
    with pytest.raises(OSError, match="nowhere"):
        await cache.ping()
    await cache.close()


class Slow:
    """Stands in for the client: keeps what it was asked, and answers when it is let."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.values: dict[str, bytes] = {}
        self.may_answer = asyncio.Event()

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        self.commands.append(list(keys))
        values = dict(self.values)
        await self.may_answer.wait()
        if "broken" in keys:
            raise ValueError
        return [values.get(key) for key in keys]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    redis = Slow()
    monkeypatch.setattr(module, "connect", lambda *_, **__: redis)
    return redis


def cached() -> RedisCache:
    return RedisCache("redis://none", Count(), lambda: 0.0)


async def asked(cache: RedisCache, *keys: str) -> list[asyncio.Task[bytes | None]]:
    tasks = [asyncio.create_task(cache.get(key)) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_while_a_command_runs_is_the_next_one(slow: Slow) -> None:
    cache = cached()
    first = await asked(cache, "a")
    slow.values = {"a": b"1", "b": b"2"}
    later = await asked(cache, "b", "a", "b", "none")
    slow.may_answer.set()
    assert await asyncio.gather(*first) == [None]
    # Put in after the first command was sent: only those who asked after it are told.
    assert await asyncio.gather(*later) == [b"2", b"1", b"2", None]
    assert slow.commands == [["a"], ["b", "a", "none"]]


async def test_one_who_gives_up_takes_nothing_from_the_others(slow: Slow) -> None:
    slow.values = {"a": b"1"}
    one, other = await asked(cached(), "a", "a")
    one.cancel()
    slow.may_answer.set()
    assert await other == b"1"


async def test_nobody_is_left_waiting_by_a_failure_that_nobody_foresaw(
    slow: Slow, recwarn: pytest.WarningsRecorder
) -> None:
    cache = cached()
    broken = await asked(cache, "broken")
    slow.values = {"a": b"1"}
    later = await asked(cache, "a")
    failing = cache._asking
    slow.may_answer.set()
    assert await asyncio.gather(*broken, *later) == [None, b"1"]
    assert failing is not None
    assert isinstance(failing.exception(), ValueError)
    assert not recwarn.list
