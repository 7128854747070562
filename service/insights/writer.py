"""Group commit: what gathered while the last commit ran is the next batch; no timer holds one up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from service.errors import ServiceError, StoreRefused, StoreUnavailable
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.queue import Entry, Lead, WriteQueue
from service.insights.store import Store, letter_of

# How long a batch is tried again: a database that restarts is back within it, and no sender waits longer
# than a load balancer does.
RETRY_FOR_S = 8.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
# While the store is away one question a second finds it again.
PING_EVERY_S = 1.0

# Takes what the writer gives up; a receipt for each entry, in order.
Spill = Callable[[Sequence[Entry]], Awaitable[list[Receipt]]]

logger = logging.getLogger("DecisionRecorder")


class WriterFailed(ServiceError):
    """The writer ended by an error nobody foresaw; only another process writes again."""


class Gauge(Protocol):
    """What the writer tells about itself; service.metrics has the real one."""

    def wrote(self, outcome: Outcome, waited_s: Sequence[float]) -> None: ...

    def buried(self) -> None: ...

    def retried(self) -> None: ...


@dataclass(frozen=True)
class Timing:
    """Clock, randomness and sleep, handed in so that tests need no waiting."""

    clock: Callable[[], float]
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    retry_for_s: float = RETRY_FOR_S
    ping_every_s: float = PING_EVERY_S


class Writer:
    """One task that empties the queue into the store. It never acknowledges what it does not know."""

    def __init__(
        self, queue: WriteQueue, store: Store, spill: Spill, gauge: Gauge, timing: Timing, batch_rows: int
    ) -> None:
        self._queue = queue
        self._store = store
        self._spill = spill
        self._gauge = gauge
        self._timing = timing
        self._batch_rows = batch_rows
        self._called_off = False
        self._receipts: asyncio.Future[list[Receipt]] | None = None
        self.away = False
        self.failed = False

    async def run(self) -> None:
        """Until cancelled. Whatever else ends it is told by `failed`, and nobody waits for an answer then."""
        leads: list[Lead] = []
        try:
            while True:
                leads = await self._queue.take(self._batch_rows)
                await self._answered(leads)
        except Exception:
            self.failed = True
            logger.critical("[DecisionRecorder] the writer ended", exc_info=True, extra=_about(leads))
            left = [entry for lead in leads for entry in (lead.entry, *lead.followers)]
            left += self._queue.close("the writer ended")
            # Past the gauge: it may be what failed.
            self._queue.settle(left, Receipt(Outcome.UNAVAILABLE, "the writer ended"))

    def call_off(self) -> None:
        """Wait for the store no longer: the attempt under way counts as unanswered, and none follows."""
        self._called_off = True
        if self._receipts is not None and not self._receipts.done():
            self._receipts.set_exception(_called_off())

    async def _answered(self, leads: Sequence[Lead]) -> None:
        """An unforeseen error of the store costs this batch an answer of 503, not the writer."""
        try:
            await self._commit(leads)
        except StoreUnavailable as error:
            await self._give_up(leads, str(error))
            await self._until_back()
        except Exception:
            logger.exception("[DecisionRecorder] Failed to write decision insight", extra=_about(leads))
            self._settle(leads, Receipt(Outcome.UNAVAILABLE, "the writer failed; it goes on"))

    async def _commit(self, leads: Sequence[Lead]) -> None:
        """Bisects on a refusal until the rows that cause it stand alone."""
        if not leads:
            return
        try:
            receipts = await self._tried_again(leads)
        except StoreRefused as refused:
            if len(leads) == 1:
                await self._bury(leads[0], refused)
                return
            middle = len(leads) // 2
            await self._commit(leads[:middle])
            await self._commit(leads[middle:])
            return
        alike: dict[Receipt, list[Lead]] = {}
        for lead, receipt in zip(leads, receipts, strict=True):
            alike.setdefault(receipt, []).append(lead)
        for receipt, group in alike.items():
            self._settle(group, receipt)

    async def _tried_again(self, leads: Sequence[Lead]) -> list[Receipt]:
        """Ids make it safe to try again after a commit whose outcome is unknown."""
        batch = [lead.entry.decision for lead in leads]
        deadline = self._timing.clock() + self._timing.retry_for_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._attempt(batch)
            except StoreUnavailable as error:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                jittered_s = pause_s * (0.5 + self._timing.random() / 2)
                if self._called_off or self._timing.clock() + jittered_s > deadline:
                    raise
                self._gauge.retried()
                logger.warning(
                    "[DecisionRecorder] retrying a batch", extra=_about(leads) | {"reason": str(error)}
                )
                await self._timing.sleep(jittered_s)

    async def _attempt(self, batch: Sequence[Decision]) -> list[Receipt]:
        """Not awaited when called off: a client of a frozen database takes long to let go of it."""
        if self._called_off:
            raise _called_off()
        attempt = asyncio.ensure_future(self._store.write(batch))
        self._receipts = asyncio.get_running_loop().create_future()
        attempt.add_done_callback(partial(_hand_on, self._receipts))
        try:
            return await self._receipts
        finally:
            attempt.cancel()

    async def _bury(self, lead: Lead, refused: StoreRefused) -> None:
        entry = lead.entry
        await self._store.bury(letter_of(entry.decision, entry.raw, refused.sqlstate, refused.reason))
        self._gauge.buried()
        logger.error(
            "[DecisionRecorder] Failed to write decision insight",
            extra=_about([lead]) | {"sqlstate": refused.sqlstate, "reason": refused.reason},
        )
        self._settle([lead], Receipt(Outcome.POISON, refused.reason))

    async def _give_up(self, leads: Sequence[Lead], reason: str) -> None:
        """The batch and all that waits behind it go to the spool, even what may have been committed.

        Its outcome is not known then, and its id makes it safe to bring it once more.
        """
        self.away = True
        waited = [Lead(entry) for entry in self._queue.close("the database is away")]
        unanswered = [lead for lead in leads if not lead.entry.settled] + waited
        logger.error(
            "[DecisionRecorder] Failed to write decision insight",
            extra=_about(unanswered) | {"reason": reason, "waited": len(waited)},
        )
        receipts = await self._spill([lead.entry for lead in unanswered])
        for lead, receipt in zip(unanswered, receipts, strict=True):
            if receipt.outcome is Outcome.SPOOLED:
                # Counted where it was spooled: the store did not answer it.
                self._queue.settle([lead.entry, *lead.followers], receipt)
            else:
                why = f"the database is away, and {receipt.reason}"
                self._settle([lead], Receipt(Outcome.UNAVAILABLE, why))

    async def _until_back(self) -> None:
        while True:
            await self._timing.sleep(self._timing.ping_every_s)
            try:
                await self._store.ping()
            except (StoreUnavailable, StoreRefused):
                continue
            logger.info("[DecisionRecorder] the database is back")
            self.away = False
            self._queue.reopen()
            return

    def _settle(self, leads: Sequence[Lead], receipt: Receipt) -> None:
        """Followers of a row that was stored are duplicates of it; else they share its answer."""
        later = Receipt(Outcome.DUPLICATE) if receipt.outcome is Outcome.STORED else receipt
        self._answer([lead.entry for lead in leads if not lead.entry.settled], receipt)
        if followers := [one for lead in leads for one in lead.followers if not one.settled]:
            self._answer(followers, later)

    def _answer(self, entries: Sequence[Entry], receipt: Receipt) -> None:
        now = self._timing.clock()
        self._queue.settle(entries, receipt)
        self._gauge.wrote(receipt.outcome, [now - entry.since for entry in entries])


def _called_off() -> StoreUnavailable:
    return StoreUnavailable("called off before the database answered")


def _hand_on(receipts: asyncio.Future[list[Receipt]], attempt: asyncio.Future[list[Receipt]]) -> None:
    """Looking at the error of an attempt that nobody waits for any more keeps the loop from complaining."""
    if attempt.cancelled():
        receipts.cancel()
    elif (error := attempt.exception()) is not None:
        if not receipts.done():
            receipts.set_exception(error)
    elif not receipts.done():
        receipts.set_result(attempt.result())


def _about(leads: Sequence[Lead]) -> dict[str, object]:
    if not leads:
        return {"rows": 0}
    return {"rows": len(leads), "decisionId": leads[0].entry.decision.decision_id}
