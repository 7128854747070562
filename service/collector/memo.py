"""An answer that is given again until it is too old or something newer is known."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

Answer = TypeVar("Answer")


class Memo(Generic[Answer]):
    """`version` tells by changing that something newer is known."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], version: Callable[[], object]) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._version = version
        self._made: _Made[Answer] | None = None

    async def get(self, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Those who ask at the same time share one making, which nobody's leaving ends."""
        version, now = self._version(), self._clock()
        made = self._made
        if made is None or made.of != version or (made.answer.done() and now - made.at >= self._ttl_s):
            made = self._made = _Made(version, now, asyncio.ensure_future(make()))
            made.answer.add_done_callback(self._forget_failed)
        return await asyncio.shield(made.answer)

    def _forget_failed(self, answer: asyncio.Future[Answer]) -> None:
        failed = answer.cancelled() or answer.exception() is not None
        if failed and self._made is not None and self._made.answer is answer:
            self._made = None


class _Made(NamedTuple, Generic[Answer]):
    """An answer, perhaps still in the making; the version and the time are those of its beginning."""

    of: object
    at: float
    answer: asyncio.Future[Answer]
