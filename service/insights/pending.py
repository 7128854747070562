"""Whether a trace waits in the spool, as one who looks for it asks."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from service.errors import StoreUnavailable

# Questions at a time: reads share the spool's connections with those who put something into it.
MOST_AT_ONCE = 8
# After a failure the spool is not asked for so long: reads would each wait for the same answer.
REST_S = 0.5


class Waiting(Protocol):
    """The part of the spool that is used here."""

    async def holds(self, decision_id: str) -> bool: ...


class Pending:
    """Never raises, and never waits long for a spool that is away."""

    def __init__(self, spool: Waiting, clock: Callable[[], float]) -> None:
        self._spool = spool
        self._clock = clock
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._rests_until = float("-inf")

    async def holds(self, decision_id: str) -> bool | None:
        """None when nobody can tell now."""
        async with self._turns:
            if self._clock() < self._rests_until:
                return None
            try:
                return await self._spool.holds(decision_id)
            except StoreUnavailable:
                self._rests_until = self._clock() + REST_S
                return None
