"""Puts traces into the spool in groups: whatever gathered while the last group was synced is the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from service.errors import StoreUnavailable
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.queue import MOST_BYTES, Entry
from service.insights.spool import Spool, Spooled

GROUP_ENTRIES = 500
# A group ends when it has so much: Redis closes on a client that sends more than it has room for.
GROUP_BYTES = 1024 * 1024
# After a failure the spool is left alone for so long: requests would each wait for the same answer.
REST_S = 0.5

logger = logging.getLogger("DecisionSpool")


class Gauge(Protocol):
    """What the spool counts; service.metrics has the real one."""

    def spooled(self, count: int) -> None: ...

    def spool_failed(self) -> None: ...

    def refused(self, reason: str) -> None: ...


class _Waiting(NamedTuple):
    spooled: Spooled
    receipt: asyncio.Future[Receipt]


class Spooler:
    """Acknowledges what the spool has synced, refuses what it has not."""

    def __init__(
        self,
        spool: Spool,
        gauge: Gauge,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        most_rows: int,
    ) -> None:
        self._spool = spool
        self._gauge = gauge
        self._clock = clock
        self._now = now
        self._most_rows = most_rows
        self._waiting: deque[_Waiting] = deque()
        self._size_bytes = 0
        self._flushing: asyncio.Task[None] | None = None
        self._rests_until = float("-inf")

    def offer(self, decision: Decision, raw: bytes, because: str, why: str) -> asyncio.Future[Receipt]:
        """For what the write queue did not take, `because` of that; the receipt comes after the sync."""
        if len(self._waiting) >= self._most_rows or self._size_bytes >= MOST_BYTES:
            receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            receipt.set_result(Receipt(Outcome.UNAVAILABLE, "the spool cannot keep up"))
        else:
            receipt = self._put(decision, raw)
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        receipt.add_done_callback(lambda done: self._answer(answer, done.result(), because, why))
        return answer

    async def spill(self, entries: Sequence[Entry]) -> list[Receipt]:
        """What the writer gives up; the receipts in order."""
        return await asyncio.gather(*(self._put(one.decision, one.raw) for one in entries))

    async def emptied(self) -> None:
        """Returns when everybody who waited has been answered."""
        while self._flushing is not None:
            await asyncio.shield(self._flushing)

    def _put(self, decision: Decision, raw: bytes) -> asyncio.Future[Receipt]:
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        spooled = Spooled(decision.decision_id, raw, decision.run_id, self._now())
        self._waiting.append(_Waiting(spooled, receipt))
        self._size_bytes += len(raw)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return receipt

    async def _flush(self) -> None:
        """Until nothing waits. Whatever happens, everybody who waits is answered."""
        try:
            while self._waiting:
                group = self._group()
                receipt = await self._added(group)
                for one in group:
                    if not one.receipt.done():
                        one.receipt.set_result(receipt)
        finally:
            self._flushing = None

    def _group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size_bytes = 0
        while self._waiting and len(group) < GROUP_ENTRIES and size_bytes < GROUP_BYTES:
            one = self._waiting.popleft()
            group.append(one)
            size_bytes += len(one.spooled.raw)
        self._size_bytes -= size_bytes
        return group

    async def _added(self, group: Sequence[_Waiting]) -> Receipt:
        if self._clock() < self._rests_until:
            return _AWAY
        try:
            await self._spool.add([one.spooled for one in group])
        except StoreUnavailable as error:
            self._rests_until = self._clock() + REST_S
            self._gauge.spool_failed()
            logger.error("[DecisionSpool] spool away", extra={"rows": len(group), "reason": str(error)})  # noqa: TRY400  # its reason says it all
            return _AWAY
        except Exception:
            self._gauge.spool_failed()
            logger.exception("[DecisionSpool] spool failed", extra={"rows": len(group)})
            return _AWAY
        self._gauge.spooled(len(group))
        return Receipt(Outcome.SPOOLED)

    def _answer(self, answer: asyncio.Future[Receipt], came: Receipt, because: str, why: str) -> None:
        if came.outcome is Outcome.UNAVAILABLE:
            self._gauge.refused(because)
            came = Receipt(Outcome.UNAVAILABLE, f"{why}, and {came.reason}")
        if not answer.done():
            answer.set_result(came)


_AWAY = Receipt(Outcome.UNAVAILABLE, "the spool takes nothing")
