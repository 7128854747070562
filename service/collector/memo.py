"""An answer that is given again until it is too old or something newer is known."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Memo(Generic[Answer]):
    """`version` tells by changing that something newer is known."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], version: Callable[[], object]) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._version = version
        self._made_at = float("-inf")
        self._made_of: object = None
        self._answer: Answer | None = None

    async def get(self, make: Callable[[], Awaitable[Answer]]) -> Answer:
        version, now = self._version(), self._clock()
        if self._answer is None or version != self._made_of or now - self._made_at >= self._ttl_s:
            self._answer = await make()
            self._made_at, self._made_of = now, version
        return self._answer
