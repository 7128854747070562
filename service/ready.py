"""Whether this replica should be sent traffic; each dependency is asked at most once a second."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 1.0


@dataclass
class Dependency:
    """One thing this replica needs or only likes to have; `ask` raises when it does not answer."""

    name: str
    required: bool
    ask: Callable[[], Awaitable[None]]
    reason: str | None = "not asked yet"
    asked_at: float = float("-inf")
    asking: asyncio.Future[None] | None = None


@dataclass
class Readiness:
    """Draining beats everything: it makes the load balancer look elsewhere."""

    dependencies: list[Dependency]
    clock: Callable[[], float]
    draining: bool = False
    _probe: asyncio.Task[None] | None = field(default=None, init=False)

    async def report(self) -> tuple[bool, dict[str, object]]:
        """Ready or not, and each dependency's state with the age of that knowledge."""
        await self._refresh()
        now = self.clock()
        states = {
            one.name: {
                "state": "up" if one.reason is None else "down",
                "required": one.required,
                "ageSeconds": round(now - one.asked_at, 3),
            }
            | ({"reason": one.reason} if one.reason else {})
            for one in self.dependencies
        }
        down = [one.name for one in self.dependencies if one.required and one.reason]
        ready = not (self.draining or down)
        status = "draining" if self.draining else "down" if down else "ready"
        return ready, {"status": status, "dependencies": states}

    async def _refresh(self) -> None:
        """One probe at a time, whoever asks."""
        if self._probe is None or self._probe.done():
            oldest = min((one.asked_at for one in self.dependencies), default=self.clock())
            if self.clock() - oldest < PROBE_EVERY_S:
                return
            self._probe = asyncio.create_task(self._ask_all())
        await asyncio.shield(self._probe)

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask(one) for one in self.dependencies))

    async def _ask(self, one: Dependency) -> None:
        """A question that hangs is left to end by itself: to cancel one may take longer than we have."""
        if one.asking is None:
            one.asking = asyncio.ensure_future(one.ask())
        await asyncio.wait({one.asking}, timeout=PROBE_TIMEOUT_S)
        if one.asking.done():
            one.reason, one.asking = _reason(one.asking), None
        else:
            one.reason = f"no answer within {PROBE_TIMEOUT_S:.0f} s"
        one.asked_at = self.clock()


def _reason(asked: asyncio.Future[None]) -> str | None:
    if asked.cancelled():
        return "cancelled"
    error = asked.exception()
    # Only the kind: messages of clients may hold addresses with passwords.
    return type(error).__name__ if error else None
