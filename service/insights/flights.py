"""One question for all who ask the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class Flights(Generic[Answer]):
    """Questions under way, by what is asked."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[Answer]] = {}

    async def join(self, name: str, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer of the one under way, else of a new one."""
        flight = self._under_way.get(name)
        if flight is None:
            flight = asyncio.create_task(ask())
            self._under_way[name] = flight
            flight.add_done_callback(lambda _: self._under_way.pop(name, None))
        # Shielded: one who gives up must not take the answer from the others.
        return await asyncio.shield(flight)
