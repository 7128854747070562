"""Ends tasks for good."""

import asyncio
import logging
from collections.abc import Iterable

# A task that is still there after so long is told again.
AGAIN_S = 0.5
WITHIN_S = 10.0

logger = logging.getLogger("Service")


async def end(
    tasks: Iterable[asyncio.Task[None]], within_s: float = WITHIN_S, again_s: float = AGAIN_S
) -> None:
    """Returns when all have ended, or after `within_s` with a line in the log.

    Once is not enough: a cancellation that arrives while a client gives up an operation of its own, such
    as a connection that timed out in the same moment, can be lost in it, and the task goes on.
    """
    loop = asyncio.get_running_loop()
    pending, deadline = {one for one in tasks if not one.done()}, loop.time() + within_s
    while pending and loop.time() < deadline:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=again_s)
        for task in done:
            # Whoever watches it was told; looking keeps the loop from complaining.
            _ = task.cancelled() or task.exception()
    if pending:
        logger.error("tasks do not end", extra={"tasks": sorted(one.get_name() for one in pending)})
