"""A cache that may fail at any time without anybody noticing but the metrics."""

import random
from collections.abc import Callable
from typing import Protocol

from service.redisdb import RedisError, connect

# A slower cache is worse than none: the database answers an insight in a millisecond.
TIMEOUT_S = 0.25
# After a failure the cache is left alone for so long, so that reads do not each wait for it.
REST_S = 1.0
MOST_CONNECTIONS = 20
# TTLs are spread by a tenth, so that what was cached together does not expire together.
JITTER = 0.1


class Errors(Protocol):
    """The counter of failures."""

    def inc(self) -> None: ...


class RedisCache:
    """Never raises for a failing Redis: a get is a miss then, a set or delete does nothing."""

    def __init__(
        self,
        url: str,
        errors: Errors,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._redis = connect(url, timeout_s=TIMEOUT_S, most_connections=MOST_CONNECTIONS)
        self._errors = errors
        self._clock = clock
        self._jitter = jitter
        self._rests_until = 0.0

    async def get(self, key: str) -> bytes | None:
        if self._resting():
            return None
        try:
            found = await self._redis.get(key)
        except (RedisError, OSError):
            self._failed()
            return None
        # Always bytes: the client is not told to decode.
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        if self._resting():
            return
        spread_s = ttl_s * (1 + JITTER * (2 * self._jitter() - 1))
        try:
            await self._redis.set(key, value, px=max(1, round(spread_s * 1000)))
        except (RedisError, OSError):
            self._failed()

    async def drop(self, keys: list[str]) -> bool:
        """False when the cache could not be asked: the keys may live until their TTL ends."""
        try:
            if keys:
                await self._redis.unlink(*keys)
        except (RedisError, OSError):
            self._failed()
            return False
        return True

    async def ping(self) -> None:
        """Raises OSError when Redis does not answer."""
        try:
            await self._redis.ping()
        except RedisError as error:
            raise OSError(str(error)) from error

    async def close(self) -> None:
        await self._redis.aclose()

    def _resting(self) -> bool:
        return self._clock() < self._rests_until

    def _failed(self) -> None:
        self._errors.inc()
        self._rests_until = self._clock() + REST_S
