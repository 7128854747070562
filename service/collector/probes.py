"""Questions to what lies outside, each with a time limit: one that hangs holds nobody up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from service.collector.snapshot import Measured

TIMEOUT_S = 1.0

logger = logging.getLogger("Collector")


@dataclass(frozen=True)
class Probe:
    """Its samples, and those that stand when it fails; without them a failure is no data."""

    name: str
    ask: Callable[[], Awaitable[Mapping[str, Measured]]]
    otherwise: Mapping[str, Measured] = field(default_factory=dict)


def liveness(name: str, ask: Callable[[], Awaitable[None]]) -> Probe:
    """1 when the question is answered, 0 when it is not."""

    async def asked() -> Mapping[str, Measured]:
        await ask()
        return {name: (1.0, 1)}

    return Probe(name, asked, {name: (0.0, 1)})


class Probes:
    """All of them at once; a question that hangs is left to end by itself and not asked a second time."""

    def __init__(self, probes: Sequence[Probe], timeout_s: float = TIMEOUT_S) -> None:
        self._probes = probes
        self._timeout_s = timeout_s
        self._asking: dict[str, asyncio.Future[Mapping[str, Measured]]] = {}

    async def ask(self) -> dict[str, Measured]:
        answers = await asyncio.gather(*(self._ask(one) for one in self._probes))
        return {name: value for answer in answers for name, value in answer.items()}

    async def _ask(self, probe: Probe) -> Mapping[str, Measured]:
        asking = self._asking.get(probe.name)
        if asking is None:
            asking = self._asking[probe.name] = asyncio.ensure_future(probe.ask())
        await asyncio.wait({asking}, timeout=self._timeout_s)
        if not asking.done():
            return probe.otherwise
        if self._asking.get(probe.name) is asking:
            del self._asking[probe.name]
        if asking.cancelled() or asking.exception() is not None:
            logger.debug("no answer to %s", probe.name)
            return probe.otherwise
        return asking.result()

    async def close(self) -> None:
        """Let go of what still hangs."""
        hanging = list(self._asking.values())
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
