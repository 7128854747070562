"""A store as one who asks it sees it: alive, or left alone for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from service.errors import StoreUnavailable

# A store that did not answer is left alone for so long, so that not every step waits for it.
REST_S = 2.0
ANSWER_WITHIN_S = 1.5

Store = TypeVar("Store")
Found = TypeVar("Found")


class Place(Generic[Store]):
    """Not asked for a while after it failed. `known` is the revision that the asker knows of it."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._rests_until = float("-inf")
        self.known: int | None = None

    @property
    def resting(self) -> bool:
        return self._clock() < self._rests_until

    async def ask(self, question: Callable[[Store], Awaitable[Found]]) -> Found:
        if self.resting:
            raise StoreUnavailable("it did not answer a moment ago")
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await question(self._store)
        except TimeoutError:
            self._rests_until = self._clock() + REST_S
            raise StoreUnavailable("no answer in time") from None
        except StoreUnavailable:
            self._rests_until = self._clock() + REST_S
            raise
