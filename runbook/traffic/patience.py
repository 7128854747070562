"""When to ask again, and when to stop asking; and many at a time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from runbook.traffic.wire import Reply

Item = TypeVar("Item")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Patience:
    """Retries connections that broke, here or behind the load balancer, 429 and 503; nothing else."""

    attempts: int = 10
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    async def pause(self, attempt: int, after_s: float | None) -> None:
        """As long as the service asks for, else twice as long each time, spread out."""
        backoff_s = min(FIRST_PAUSE_S * 2**attempt, LONGEST_PAUSE_S) * (0.5 + self.chance() / 2)
        await self.sleep(backoff_s if after_s is None else after_s)

    async def ask(self, question: Callable[[], Awaitable[Reply]]) -> Reply:
        """The first answer, or the last refusal to give one."""
        for attempt in range(self.attempts - 1):
            reply = await question()
            if not reply.come_back_later:
                return reply
            await self.pause(attempt, reply.after_s)
        return await question()


async def at_a_time(most: int, items: Iterator[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    """Takes the next item only when there is a hand free for it; the first error ends all, and is raised."""

    async def one() -> None:
        for item in items:
            await work(item)

    try:
        async with asyncio.TaskGroup() as hands:
            for _ in range(most):
                hands.create_task(one())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
