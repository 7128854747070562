"""The history is kept for 400 days, which the database's own function says."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.errors import StoreUnavailable

EVERY_S = 86_400.0
# How often it is looked whether it is time; what fails is tried again then.
LOOK_EVERY_S = 600.0
# Events that one statement takes away, so that none runs into its time limit.
PORTION = 5000

logger = logging.getLogger("AlertEngine")


@dataclass
class Pruning:
    """Once a day on the replica that leads. `prune` takes so many at most and says how many went."""

    prune: Callable[[int], Awaitable[int]]
    leads: Callable[[], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _pruned_at: float = field(default=float("-inf"), init=False)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                logger.warning("old alerts stay for now", extra={"reason": str(error)})
            except Exception:
                logger.exception("old alerts stay for now")
            await self.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        if self.clock() - self._pruned_at < EVERY_S:
            return
        while self.leads():
            if await self.prune(PORTION) < PORTION:
                self._pruned_at = self.clock()
                return
