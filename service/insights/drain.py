"""Brings the spool into the database: claim a batch, COMMIT it, and only then take it out of the spool."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.errors import StoreRefused, StoreUnavailable
from service.insights.decision import Decision, Outcome, Refusal
from service.insights.persist import Result, persist
from service.insights.spool import Claimed, Spool, decision_of
from service.insights.store import Letter, Store, letter_of
from service.insights.writer import Timing

POLL_S = 1.0
# Whatever ends a process takes the entries of its batch with it as often; from here on each goes alone.
SUSPECT_AFTER = 2
MOST_DELIVERIES = 5
# The longest pause after an entry that the database does not take although it answers.
MOST_REST_S = 32.0
# Entries parsed before others get their turn on the loop.
PARSED_AT_ONCE = 20
# What the drain waits after a batch, in multiples of the batch's own time, when requests wait too.
COURTESY = 4.0

# Its cause, one of metrics.BURIALS, and what is kept.
Burial = tuple[str, Letter]

UNIQUE_VIOLATION = "23505"

logger = logging.getLogger("DecisionSpool")


class Gauge(Protocol):
    """What the drain counts; service.metrics has the real one."""

    def drained(self, count: int) -> None: ...

    def drain_buried(self, reason: str) -> None: ...

    def drain_failed(self) -> None: ...


@dataclass(frozen=True)
class Manners:
    """When the drain may write, and what it has to leave room for."""

    batch_rows: int
    # False while writes are switched off: the spool keeps everything.
    may_write: Callable[[], bool]
    # Rows of requests that wait for the writer now.
    live_rows: Callable[[], int]


class _NotTaken(StoreUnavailable):
    """The database did not take what was claimed."""


class Drain:
    """One task; every replica may run one, each entry is held by one of them at a time."""

    def __init__(self, spool: Spool, store: Store, gauge: Gauge, timing: Timing, manners: Manners) -> None:
        self._spool = spool
        self._store = store
        self._gauge = gauge
        self._timing = timing
        self._manners = manners
        self._stopping = asyncio.Event()
        self._store_known = False
        # What is claimed at once: less after a batch that the database did not take.
        self._rows = manners.batch_rows
        self._rest_s = POLL_S
        self.away = False

    async def run(self) -> None:
        """Until told to stop; the batch under way is brought to its end then."""
        while not self._stopping.is_set():
            await self._timing.sleep(await self._turn())

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()

    async def _turn(self) -> float:
        """One batch, and how long to wait before the next."""
        started = self._timing.clock()
        self._rest_s = POLL_S
        try:
            brought = await self.once()
        except StoreUnavailable as error:
            self._store_known = False
            logger.debug("[DecisionSpool] drain waits", extra={"reason": str(error)})
            return self._rest_s
        except Exception:
            self._gauge.drain_failed()
            logger.exception("[DecisionSpool] drain failed")
            return POLL_S
        if not brought:
            return POLL_S * (0.9 + self._timing.random() / 5)
        took_s = self._timing.clock() - started
        return pause_s(took_s, self._manners.live_rows(), self._manners.batch_rows)

    async def once(self) -> int:
        """How many entries found their end. Raises StoreUnavailable, of the database or of the spool."""
        if not await self._counted() or not self._manners.may_write():
            return 0
        if not self._store_known:
            # Nothing is claimed while it could not be brought anywhere: that would count as a delivery.
            await self._store.ping()
            self._store_known = True
        claimed = await self._spool.claim(self._rows)
        left = batches(claimed)
        try:
            while left:
                await self._bring(left[0])
                del left[0]
        except _NotTaken as error:
            await self._part(left, error)
            raise
        except (StoreUnavailable, asyncio.CancelledError):
            # No fault of the entries.
            await self._spool.give_back([one for batch in left for one in batch], tried=False)
            raise
        except Exception:
            await self._spool.give_back(left[0], tried=True)
            await self._spool.give_back([one for batch in left[1:] for one in batch], tried=False)
            raise
        self._grow()
        return len(claimed)

    async def _part(self, left: Sequence[Sequence[Claimed]], error: _NotTaken) -> None:
        """A database that answers and does not take a batch is brought half of it, and at last one entry.

        That one is tried and counted, so that it ends in the dead letters and not in front of all others.
        """
        failed, others = left[0], [one for batch in left[1:] for one in batch]
        answers = False
        try:
            answers = await self._answers()
        finally:
            await self._spool.give_back(others, tried=False)
            await self._spool.give_back(failed, tried=answers and len(failed) == 1)
        if not answers:
            return
        facts = {"rows": len(failed), "decisionId": failed[0].decision_id, "reason": str(error)}
        logger.warning("[DecisionSpool] the database answers and does not take a batch", extra=facts)
        if len(failed) > 1:
            self._rows = len(failed) // 2
        else:
            # What holds all up for a moment, as a lock does, is no fault of the entry.
            self._rest_s = min(MOST_REST_S, POLL_S * 2 ** failed[0].deliveries)
            self._grow()

    async def _answers(self) -> bool:
        try:
            await self._store.ping()
        except StoreUnavailable:
            return False
        return True

    def _grow(self) -> None:
        self._rows = min(self._manners.batch_rows, 2 * self._rows)

    async def _counted(self) -> int:
        try:
            count = await self._spool.count()
        except StoreUnavailable:
            self.away = True
            raise
        self.away = False
        return count

    async def _bring(self, batch: Sequence[Claimed]) -> None:
        parsed = await self._parsed(batch)
        try:
            letters = await self._persisted(batch, parsed)
        except StoreUnavailable as error:
            raise _NotTaken(str(error)) from error
        ended = [one for one, found in zip(batch, parsed, strict=True) if found is not None]
        await self._spool.finish(ended)
        self._gauge.drained(len(ended) - letters)

    async def _persisted(self, batch: Sequence[Claimed], parsed: Sequence[Decision | Refusal | None]) -> int:
        """How many of them became dead letters."""
        results = iter(await persist(self._store, [one for one in parsed if isinstance(one, Decision)]))
        letters = 0
        for one, found in zip(batch, parsed, strict=True):
            if found is None:
                continue
            if isinstance(found, Refusal):
                burial: Burial | None = _unread(one, found)
            else:
                burial = _burial(one, found, next(results))
            if burial is not None:
                await self._bury(*burial)
                letters += 1
        return letters

    async def _parsed(self, batch: Sequence[Claimed]) -> list[Decision | Refusal | None]:
        found = []
        for place, one in enumerate(batch):
            found.append(_parsed(one))
            if place % PARSED_AT_ONCE == PARSED_AT_ONCE - 1:
                await asyncio.sleep(0)
        return found

    async def _bury(self, cause: str, letter: Letter) -> None:
        await self._store.bury(letter)
        self._gauge.drain_buried(cause)
        facts = {"decisionId": letter.decision_id, "sqlstate": letter.sqlstate, "reason": letter.reason}
        logger.error("[DecisionSpool] Failed to write decision insight", extra=facts)


def batches(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """What comes for the first times together, and each suspect alone: only one of them is to blame."""
    fresh = [one for one in claimed if one.deliveries <= SUSPECT_AFTER]
    alone = [[one] for one in claimed if one.deliveries > SUSPECT_AFTER]
    return [fresh, *alone] if fresh else alone


def pause_s(took_s: float, live_rows: int, batch_rows: int) -> float:
    """None while nobody else writes, up to COURTESY times the batch's own time when a batch of them waits."""
    return took_s * COURTESY * min(1.0, live_rows / batch_rows)


def _parsed(one: Claimed) -> Decision | Refusal | None:
    """None when the entry is to be left to a replica that knows its form."""
    if one.deliveries > MOST_DELIVERIES:
        return Refusal(None, f"was taken from the spool {one.deliveries} times without a result")
    return decision_of(one.spooled) if one.spooled else None


def _burial(one: Claimed, decision: Decision, result: Result) -> Burial | None:
    """Its sender was told 202, so a conflict is kept where somebody sees it."""
    if isinstance(result, StoreRefused):
        return "poison", letter_of(decision, one.raw, result.sqlstate, result.reason)
    if result.outcome is not Outcome.CONFLICT:
        return None
    reason = f"decisionId {decision.decision_id} {result.reason}"
    return "conflict", letter_of(decision, one.raw, UNIQUE_VIOLATION, reason)


def _unread(one: Claimed, refusal: Refusal) -> Burial:
    cause = "undelivered" if one.deliveries > MOST_DELIVERIES else "unreadable"
    run_id = one.spooled.run_id if one.spooled else None
    letter_hash = hashlib.sha256(one.raw).hexdigest()
    return cause, Letter(one.decision_id, letter_hash, run_id, "", refusal.sentence(), one.raw)
