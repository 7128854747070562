"""A Redis that does not answer is a miss and a count, never an error; here its socket is not there."""

import pytest

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
