"""From bytes to a receipt: parse, count, queue. What one trace and many have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from service.insights import trace
from service.insights.decision import Decision, Outcome, Receipt, Refusal
from service.insights.queue import QueueClosed, QueueFull, WriteQueue


class Counts(Protocol):
    """The part of service.metrics that is used here."""

    def refused(self, reason: str) -> None:
        """One trace that was not taken."""


@dataclass(frozen=True)
class Intake:
    """The way into the write queue."""

    queue: WriteQueue
    counts: Counts
    now: Callable[[], datetime]
    retention: timedelta

    def parse(self, raw: bytes, run_id: str | None) -> Decision | Refusal:
        parsed = trace.parse(raw, self.now(), self.retention, run_id)
        if isinstance(parsed, Refusal):
            self.counts.refused("too_big" if parsed.status == 413 else "invalid")
        return parsed

    def offer(self, decision: Decision, raw: bytes) -> Awaitable[Receipt]:
        """The receipt comes after COMMIT; at once when there is no room, since nothing was taken then."""
        try:
            return self.queue.offer(decision, raw)
        except QueueFull as error:
            return self._not_taken("queue_full", str(error))
        except QueueClosed as error:
            return self._not_taken("store_away", str(error))

    def _not_taken(self, reason: str, why: str) -> Awaitable[Receipt]:
        self.counts.refused(reason)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        receipt.set_result(Receipt(Outcome.UNAVAILABLE, why))
        return receipt


# The HTTP status of each outcome, for a request of one trace and for a line of many.
STATUS = {
    Outcome.STORED: 201,
    Outcome.DUPLICATE: 200,
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
