"""From bytes to a receipt: parse, count, queue. What one trace and many have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from service.insights import trace
from service.insights.decision import Decision, Outcome, Receipt, Refusal
from service.insights.queue import QueueClosed, QueueFull, WriteQueue
from service.insights.spooler import Spooler

WRITES_DISABLED = "writes are switched off (disable-insight-writes)"


class Counts(Protocol):
    """The part of service.metrics that is used here."""

    def refused(self, reason: str) -> None:
        """One trace that was not taken."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Intake:
    """The way into the write queue, or past it into the spool."""

    queue: WriteQueue
    spooler: Spooler
    counts: Counts
    now: Callable[[], datetime]
    retention: timedelta
    writes_disabled: Callable[[], bool] = _never
    # Whose turn it is among those that bring many.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def parse(self, raw: bytes, run_id: str | None) -> Decision | Refusal:
        parsed = trace.parse(raw, self.now(), self.retention, run_id)
        if isinstance(parsed, Refusal):
            self.counts.refused("too_big" if parsed.status == 413 else "invalid")
        return parsed

    def offer(self, decision: Decision, raw: bytes) -> Awaitable[Receipt]:
        """The receipt comes after COMMIT, or after the spool's sync when the queue does not take it."""
        # Asked for every trace: what is left of a batch when the switch is thrown is not taken.
        if self.writes_disabled():
            return self._refused()
        try:
            return self.queue.offer(decision, raw)
        except QueueFull as error:
            return self.spooler.offer(decision, raw, "queue_full", str(error))
        except QueueClosed as error:
            return self.spooler.offer(decision, raw, "store_away", str(error))

    def _refused(self) -> Awaitable[Receipt]:
        self.counts.refused("writes_disabled")
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        receipt.set_result(Receipt(Outcome.UNAVAILABLE, WRITES_DISABLED))
        return receipt


# The HTTP status of each outcome, for a request of one trace and for a line of many.
STATUS = {
    Outcome.STORED: 201,
    Outcome.DUPLICATE: 200,
    Outcome.SPOOLED: 202,
    Outcome.CONFLICT: 409,
    Outcome.POISON: 400,
    Outcome.UNAVAILABLE: 503,
}


def reason(decision_id: str, receipt: Receipt) -> str:
    """Why a decision was not stored, in one sentence."""
    if receipt.outcome is Outcome.CONFLICT:
        return f"decisionId {decision_id} {receipt.reason}"
    if receipt.outcome is Outcome.POISON:
        return f"the database refuses this trace ({receipt.reason}); it is kept apart"
    return f"{receipt.reason}; nothing was acknowledged, send it again"
