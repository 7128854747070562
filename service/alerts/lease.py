"""Who evaluates and tells for all: the lease in the queue's Redis, else a lock of the database, else each."""

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol

from service.alerts.shelf import Session
from service.errors import StoreUnavailable
from service.redisdb import Redis, translated

KEY = "amas:leader"
LEAST_S = 3.0
# Renewed once an evaluation, so two may be missed.
INTERVALS = 3

# Renews by comparing: a lease that ended and went to another is left to it.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
end
if holder then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'NX')
return 1
"""
_GIVE_UP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Role(Enum):
    """What a replica does in this round."""

    LEADS = "leads"
    FOLLOWS = "follows"
    # Nobody can be asked: it leads for itself, and tells only its share.
    ALONE = "alone"


class Lease(Protocol):
    """Held by one replica at a time; raises StoreUnavailable when nobody can tell."""

    async def take(self) -> bool:
        """Take or renew it."""

    async def give_up(self) -> None: ...


class RedisLease:
    """Ends by itself when it is not renewed. `holder` must be this process's alone."""

    def __init__(self, redis: Redis, holder: str, ttl_s: float) -> None:
        self._redis = redis
        self._holder = holder
        self._ttl_ms = int(ttl_s * 1000)
        self._take = redis.register_script(_TAKE)
        self._give_up = redis.register_script(_GIVE_UP)

    async def take(self) -> bool:
        with translated():
            return bool(await self._take(keys=[KEY], args=[self._holder, self._ttl_ms]))

    async def give_up(self) -> None:
        with translated():
            await self._give_up(keys=[KEY], args=[self._holder])

    async def holder(self) -> str | None:
        with translated():
            name: Any = await self._redis.get(KEY)
        return None if name is None else str(name.decode())


class Closable(Session, Protocol):
    """A session whose end gives back all that it holds."""

    async def close(self) -> None: ...


class DatabaseLock:
    """Ends with its connection, and so with its process."""

    def __init__(self, session: Closable) -> None:
        self._session = session
        self._held = False

    async def take(self) -> bool:
        self._held = bool((await self._session.rows("alert_lead", {}))[0][0])
        return self._held

    async def give_up(self) -> None:
        """Said before the connection ends: the database notices that only some time after."""
        held, self._held = self._held, False
        try:
            if held:
                await self._session.rows("alert_leave", {})
        finally:
            await self._session.close()


class Leadership:
    """Asks once a round; the role lasts until the next asking, but no longer than the lease would."""

    def __init__(self, first: Lease, second: Lease, ttl_s: float, clock: Callable[[], float]) -> None:
        self._first = first
        self._second = second
        self._ttl_s = ttl_s
        self._clock = clock
        self._role = Role.FOLLOWS
        self._until = float("-inf")
        self._second_held = False

    @property
    def role(self) -> Role:
        """A process that was held up for too long must not go on as a leader."""
        return self._role if self._clock() < self._until else Role.FOLLOWS

    @property
    def leads(self) -> bool:
        return self.role is not Role.FOLLOWS

    async def ask(self) -> Role:
        # From before the asking: the lease began to run at its other end some time after.
        until = self._clock() + self._ttl_s
        role = await self._asked()
        # Both at once: until it is known, the role of before lasts no longer than it would have.
        self._role, self._until = role, until
        return role

    async def give_up(self) -> None:
        """So that the next one need not wait for the lease to end."""
        self._role = Role.FOLLOWS
        for lease in (self._first, self._second):
            with suppress(StoreUnavailable):
                await lease.give_up()

    async def _asked(self) -> Role:
        try:
            leads = await self._first.take()
        except StoreUnavailable:
            return await self._asked_second()
        if self._second_held:
            self._second_held = False
            with suppress(StoreUnavailable):
                await self._second.give_up()
        return Role.LEADS if leads else Role.FOLLOWS

    async def _asked_second(self) -> Role:
        try:
            self._second_held = await self._second.take()
        except StoreUnavailable:
            self._second_held = False
            return Role.ALONE
        return Role.LEADS if self._second_held else Role.FOLLOWS


def ttl_s(interval_s: float) -> float:
    return max(LEAST_S, INTERVALS * interval_s)
