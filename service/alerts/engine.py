"""Evaluates the rules each interval while this replica leads; keeps up with the leader while it does not."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from service.alerts import storm
from service.alerts.alert import Event
from service.alerts.book import Book
from service.alerts.desk import Changed, Desk
from service.alerts.escalation import Destinations
from service.alerts.force import RulesInForce
from service.alerts.heartbeat import Heartbeat
from service.alerts.lease import Leadership, Role
from service.alerts.notifier import Notifier
from service.alerts.round import Evaluation, Round, Samples
from service.alerts.rule import Measured

# What changed but in its clocks is written so often: a leader that dies takes no more of them with it.
SAVE_EVERY_S = 15.0
LEAST_GAP_S = 20.0
SAMPLE_WITHIN_S = 5.0

logger = logging.getLogger("AlertEngine")


class Gauge(Protocol):
    """What is measured; service.metrics has the real one."""

    def transitioned(self, status: str) -> None: ...

    def evaluated(self, took_s: float, at: float) -> None: ...

    def firing(self, by_severity: Mapping[str, int]) -> None: ...

    def leads(self, leads: bool) -> None: ...


@dataclass(frozen=True)
class Terms:
    """What stays as it is; seconds, and `now` is since 1970 and may jump."""

    destinations: Destinations
    interval_s: float
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Engine:
    """One for each replica."""

    def __init__(
        self,
        desk: Desk,
        leadership: Leadership,
        rules: RulesInForce,
        sample: Callable[[], Awaitable[Samples]],
        terms: Terms,
        gauge: Gauge,
    ) -> None:
        self._desk = desk
        self._leadership = leadership
        self._rules = rules
        self._sample = sample
        self._terms = terms
        self._gauge = gauge
        self.notifier: Notifier | None = None
        self.heartbeat: Heartbeat | None = None
        self._saved_at = float("-inf")
        self._running = False
        self.last_run: float | None = None
        self.evaluation_s: float | None = None
        self.error: str | None = None

    async def run(self) -> None:
        """Until cancelled; nothing that a round raises ends it."""
        self._running = True
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                try:
                    await self.round()
                except Exception as error:
                    self.error = f"{type(error).__name__}: {error}"
                    logger.exception("an evaluation failed; the next one follows")
                await self._terms.sleep(max(0.01, self._terms.interval_s - (loop.time() - began)))
        finally:
            self._running = False

    async def round(self) -> None:
        role = await self._leadership.ask()
        self._gauge.leads(role is not Role.FOLLOWS)
        book = await self._desk.refresh()
        await self._rules.follow(book.rules_mark)
        if role is Role.FOLLOWS:
            self.error = None
        else:
            await self._evaluate(await self._samples())
        self._gauge.firing(Counter(str(one.severity) for one in self._desk.book.alerts.values()))
        self.last_run = self._terms.now()

    async def _samples(self) -> dict[str, Measured]:
        """What was measured, and what the alerts know of themselves."""
        try:
            async with asyncio.timeout(SAMPLE_WITHIN_S):
                samples = dict(await self._sample())
        except Exception:
            # Missing data: the rules say what to make of it.
            logger.exception("no samples this time")
            samples = {}
        return samples | self.measured()

    def measured(self) -> dict[str, Measured]:
        """What the alerts know of themselves."""
        firings = storm.per_minute((at for at, _ in self._desk.book.fired), self._terms.now())
        samples: dict[str, Measured] = {storm.METRIC: (float(firings), 1)}
        if self.notifier is not None:
            samples["notifier.age_s"] = (self.notifier.oldest_s(), 1)
            samples["notifier.failing"] = (float(self.notifier.failing()), 1)
        age_s = None if self.heartbeat is None else self.heartbeat.age_s()
        if age_s is not None:
            samples["heartbeat.age_s"] = (age_s, 1)
        return samples

    async def _evaluate(self, samples: Samples) -> None:
        now = self._terms.now()
        gap_s = max(LEAST_GAP_S, 3 * self._terms.interval_s)
        evaluation = Evaluation(self._rules.rules, self._terms.destinations, gap_s)
        done: Round | None = None

        def change(book: Book) -> Changed:
            nonlocal done
            done = evaluation.of(book, samples, now)
            save = done.matters or (done.book.states != book.states and now - self._saved_at >= SAVE_EVERY_S)
            return Changed(done.book, done.events, write=save)

        book = await self._desk.commit(change)
        if done is not None:
            if book.serial == done.book.serial + 1:
                self._saved_at = now
            self._told(done.events, done)
        self._gauge.evaluated(self.evaluation_s or 0.0, now)

    def _told(self, events: Sequence[Event], done: Round) -> None:
        self.evaluation_s = done.evaluation_s
        self.error = "; ".join(f"{rule}: {reason}" for rule, reason in done.errors.items()) or None
        for rule, reason in done.errors.items():
            logger.error("a rule cannot be evaluated", extra={"ruleId": rule, "reason": reason})
        for event in events:
            self._gauge.transitioned(event.status)
            logger.warning(
                "alert %s",
                event.status,
                extra={
                    "alertId": event.alert.id,
                    "ruleId": event.alert.rule_id,
                    "severity": event.alert.severity,
                    "value": event.alert.value,
                },
            )

    @property
    def fresh(self) -> bool:
        """It leads, and the last evaluation is not long past."""
        if self.last_run is None or not self._leadership.leads:
            return False
        return 0 <= self._terms.now() - self.last_run <= max(LEAST_GAP_S, 3 * self._terms.interval_s)

    def status(self) -> dict[str, object]:
        last, now = self.last_run, self._terms.now()
        return {
            "isRunning": self._running,
            "lastRun": None if last is None else datetime.fromtimestamp(last, UTC),
            "ageSeconds": None if last is None else round(max(0.0, now - last), 3),
            "leader": self._leadership.leads,
            "rules": len(self._rules.rules),
            "rulesHash": self._rules.digest,
            "store": self._desk.where,
            "evaluationMicroseconds": None
            if self.evaluation_s is None
            else round(self.evaluation_s * 1e6, 1),
            "lastError": self.error or self._rules.error,
        }
