"""A cache that may fail at any time without anybody noticing but the metrics."""

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple, Protocol

from service.redisdb import RedisError, connect

# A slower cache is worse than none: the database answers an insight in a millisecond.
TIMEOUT_S = 0.25
# After a failure the cache is left alone for so long, so that reads do not each wait for it.
REST_S = 1.0
MOST_CONNECTIONS = 20
# Keys of one command; a longer one would hold up everybody else.
MOST_KEYS = 100
# Keys looked at in one step of a SCAN.
SCAN_KEYS = 1000
# TTLs are spread by a tenth, so that what was cached together does not expire together.
JITTER = 0.1


class Errors(Protocol):
    """The counter of failures."""

    def inc(self) -> None: ...


class _Asked(NamedTuple):
    key: str
    found: asyncio.Future[bytes | None]


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
        self._asked: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        """With all that is asked for while the last command runs: a command costs more than its keys."""
        found: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(key, found))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await found

    async def _ask(self) -> None:
        """Until nobody waits; only those who asked before a command was sent are answered by it."""
        try:
            while self._asked:
                asked, self._asked = self._asked[:MOST_KEYS], self._asked[MOST_KEYS:]
                await self._answer(asked)
        finally:
            # Whatever ended it: those who asked meanwhile are not left alone.
            self._asking = asyncio.create_task(self._ask()) if self._asked else None

    async def _answer(self, asked: list[_Asked]) -> None:
        keys = list(dict.fromkeys(one.key for one in asked))
        values: dict[str, bytes | None] = {}
        try:
            values = dict(zip(keys, await self.get_many(keys), strict=True))
        finally:
            for one in asked:
                if not one.found.done():
                    one.found.set_result(values.get(one.key))

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        nothing: list[bytes | None] = [None] * len(keys)
        if self._resting():
            return nothing
        try:
            found = await self._redis.mget(keys)
        except (RedisError, OSError):
            self._failed()
            return nothing
        return [one if isinstance(one, bytes) else None for one in found]

    async def stands(self, key: str) -> bool | None:
        """None when the cache could not be asked."""
        if self._resting():
            return None
        try:
            return await self._redis.get(key) is not None
        except (RedisError, OSError):
            self._failed()
            return None

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._set(key, value, ttl_s, only_new=False)

    async def add(self, key: str, value: bytes, ttl_s: float) -> None:
        """Unless the key is there already."""
        await self._set(key, value, ttl_s, only_new=True)

    async def _set(self, key: str, value: bytes, ttl_s: float, *, only_new: bool) -> None:
        if self._resting():
            return
        spread_s = ttl_s * (1 + JITTER * (2 * self._jitter() - 1))
        try:
            await self._redis.set(key, value, px=max(1, round(spread_s * 1000)), nx=only_new)
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

    async def drop_prefix(self, prefix: str) -> bool:
        """By SCAN, which lets others in between; KEYS would hold up everybody. False as for drop."""
        try:
            found: list[bytes] = []
            async for key in self._redis.scan_iter(match=prefix + "*", count=SCAN_KEYS):
                found.append(key)
                if len(found) == SCAN_KEYS:
                    await self._redis.unlink(*found)
                    found.clear()
            if found:
                await self._redis.unlink(*found)
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
