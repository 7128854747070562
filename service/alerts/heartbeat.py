"""Tells somebody outside that the monitor lives; who misses it raises the alarm."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from service.alerts.post import Answer

EVERY_S = 60.0
LOOK_EVERY_S = 1.0

logger = logging.getLogger("AlertEngine")


class Get(Protocol):
    """post.Poster, or its twin."""

    async def get(self, url: str) -> Answer: ...


class Gauge(Protocol):
    """What is counted; service.metrics has the real one."""

    def heartbeat(self, result: str) -> None: ...


class Heartbeat:
    """`alive` is whether this replica leads and has evaluated lately: only then there is a beat."""

    def __init__(
        self, get: Get, url: str, alive: Callable[[], bool], now: Callable[[], float], gauge: Gauge
    ) -> None:
        self._get = get
        self._url = url
        self._alive = alive
        self._now = now
        self._gauge = gauge
        self._tried_at = float("-inf")
        # A leader of a moment ago has had no time to fail.
        self._since: float | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.step()
            except Exception:
                logger.exception("the heartbeat failed; it goes on")
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> None:
        if not self._url or not self._alive():
            self._since = None
            return
        now = self._now()
        if self._since is None:
            self._since = now
        if 0 <= now - self._tried_at < EVERY_S:
            return
        self._tried_at = now
        answer = await self._get.get(self._url)
        if 200 <= answer.status < 300:
            self._since = now
            self._gauge.heartbeat("delivered")
        else:
            self._gauge.heartbeat("failed")
            logger.warning("the heartbeat was not taken", extra={"reason": answer.reason})

    def age_s(self) -> float | None:
        """Since the last that was taken, or since this replica began to send them; None when it does not."""
        return None if self._since is None else max(0.0, self._now() - self._since)
