"""Puts the parts of a decision's way together: queue and writer, spool and drain, reads and retention."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from starlette.requests import Request
from starlette.routing import Route

from service.insights import drain, insight, letters, retention, spooler, writer
from service.insights.decision import Decision
from service.insights.facts import Facts
from service.insights.insight import Cache, Database, Insights
from service.insights.intake import Intake
from service.insights.missing import Missing
from service.insights.pages import Pages
from service.insights.pending import Pending
from service.insights.persist import Announced
from service.insights.queue import WriteQueue
from service.insights.rates import Rates
from service.insights.reads import Reads
from service.insights.spool import Spool
from service.insights.store import Store
from service.insights.writer import Timing

# The batches that were under way when the end was asked for.
FINISH_S = 2.0

Demand = Callable[[Request], None]


class Metrics(
    writer.Gauge,
    spooler.Gauge,
    drain.Gauge,
    letters.Gauge,
    retention.Gauge,
    insight.Counts,
    Protocol,
):
    """The part of service.metrics that is used here."""

    def watch_spool(self, length: Callable[[], float]) -> None: ...


class Limits(Protocol):
    """The part of service.settings that is used here."""

    @property
    def write_queue_rows(self) -> int: ...
    @property
    def write_batch_rows(self) -> int: ...
    @property
    def insights_retention_days(self) -> int: ...
    @property
    def cache_ttl_amas_state(self) -> int: ...
    @property
    def cache_ttl_amas_metrics(self) -> int: ...
    @property
    def cache_ttl_user_state(self) -> int: ...


@dataclass(frozen=True)
class Outside:
    """The stores. What is not the writer's own goes `aside`, so that it never holds up a batch."""

    writes: Store
    aside: Store
    # Of the retention: the connection of `aside`, which stays free for the rest of the day.
    session: retention.Session
    reads: Database
    cache: Cache
    spool: Spool


@dataclass(frozen=True)
class Cluster:
    """What the replicas agree on, as callables of the parts that know it."""

    writes_disabled: Callable[[], bool]
    is_leader: Callable[[], bool]
    now: Callable[[], datetime]


class Recording:
    """The parts, and the tasks that run beside the requests."""

    def __init__(self, limits: Limits, metrics: Metrics, outside: Outside, cluster: Cluster) -> None:
        self._limits = limits
        self._metrics = metrics
        self._outside = outside
        self._cluster = cluster
        self.queue = WriteQueue(limits.write_queue_rows, time.monotonic)
        self.spooler = spooler.Spooler(
            outside.spool, metrics, time.monotonic, cluster.now, limits.write_queue_rows
        )
        self._missing = Missing(time.monotonic, cluster.now, random.random)
        self.pages = Pages(outside.reads, outside.cache, metrics, limits.cache_ttl_user_state)
        timing = Timing(time.monotonic, random.random)
        rows = limits.write_batch_rows
        self.writer = writer.Writer(
            self.queue, Announced(outside.writes, self._committed), self.spooler.spill, metrics, timing, rows
        )
        self._aside = Announced(outside.aside, self._committed)
        manners = drain.Manners(rows, lambda: not cluster.writes_disabled(), lambda: self.queue.rows)
        self.drain = drain.Drain(outside.spool, self._aside, metrics, timing, manners)
        self._retention = retention.Retention(
            outside.session,
            metrics,
            cluster.now,
            asyncio.sleep,
            limits.insights_retention_days,
            cluster.is_leader,
        )
        kept_for = timedelta(days=limits.insights_retention_days)
        self.facts = Facts(outside.spool, outside.reads, cluster.now, kept_for)
        self.intake = Intake(
            self.queue,
            self.spooler,
            metrics,
            cluster.now,
            kept_for,
            cluster.writes_disabled,
        )
        metrics.watch_spool(lambda: outside.spool.known_length)

    def running(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs until cancelled."""
        return self.writer.run(), self.drain.run(), self._retention.run()

    def routes(self, may_read: Demand, may_administer: Demand) -> list[Route]:
        outside, limits, now = self._outside, self._limits, self._cluster.now
        insights = Insights(
            outside.reads,
            outside.cache,
            Pending(outside.spool, time.monotonic),
            self._missing,
            self._metrics,
            limits.cache_ttl_amas_state,
        )
        reads = Reads(
            insights,
            self.pages,
            Rates(outside.reads, outside.cache, limits.cache_ttl_amas_metrics, now),
            outside.reads,
            outside.cache,
            may_read,
            may_administer,
        )
        dead = letters.Letters(
            outside.reads,
            self._aside,
            self._metrics,
            now,
            timedelta(days=limits.insights_retention_days),
            may_read,
            may_administer,
        )
        return [*reads.routes(), *dead.routes()]

    async def finish(self, within_s: float) -> int:
        """Bring to an end what was taken: stored within that time, else spooled; what is left unanswered."""
        self.drain.stop()
        if not await _ends(self.queue.emptied(), within_s):
            self.writer.call_off()
            await _ends(self.queue.emptied(), FINISH_S)
        await _ends(self.spooler.emptied(), FINISH_S)
        await _ends(self.pages.settled(), FINISH_S)
        return self.queue.rows

    def _committed(self, decisions: Sequence[Decision]) -> None:
        self._missing.committed(decisions)
        self.pages.changed(decisions)


async def _ends(waiting: Coroutine[Any, Any, None], within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await waiting
    except TimeoutError:
        return False
    return True
