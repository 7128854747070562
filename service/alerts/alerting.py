"""The alerts of one replica, put together; service.app starts, stops and asks it."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.routing import Route

from service import tasks
from service.alerts import engine, heartbeat, notifier, shelf
from service.alerts.desk import Desk
from service.alerts.engine import Engine, Terms
from service.alerts.escalation import LEVELS, destinations
from service.alerts.force import RulesInForce
from service.alerts.heartbeat import Heartbeat
from service.alerts.lease import DatabaseLock, Leadership, Lease, RedisLease, ttl_s
from service.alerts.notifier import Notifier, Receivers, Surroundings
from service.alerts.post import Poster
from service.alerts.pruning import Pruning
from service.alerts.round import Samples
from service.alerts.routes import Alerts
from service.alerts.rule import Measured
from service.alerts.shelf import DatabaseShelf, Ledger, RedisLedger, Shelf
from service.alerts.trial import Trial
from service.alerts.view import Sources, View
from service.db import Session
from service.errors import StoreUnavailable
from service.redisdb import Redis
from service.settings import Settings

logger = logging.getLogger("AlertEngine")


class Gauge(engine.Gauge, notifier.Gauge, heartbeat.Gauge, Protocol):
    """All that is measured here."""


@dataclass(frozen=True)
class Outside:
    """What the alerts have outside the process; the tests bring twins."""

    database: Shelf
    ledger: Ledger
    sources: Sources
    first: Lease
    second: Lease
    close: Callable[[], Awaitable[None]]
    # Who holds the first lease, whichever replica asks.
    holder: Callable[[], Awaitable[str | None]]
    # Takes away so many events at most that are too old, and says how many went.
    prune: Callable[[int], Awaitable[int]]


@dataclass(frozen=True)
class Connections:
    """To the database and to the queue's Redis; each is for one thing, so that none waits behind another."""

    writes: Session
    lock: Session
    # What is asked over HTTP, on connections that others read by, too.
    reads: shelf.Session
    redis: Redis
    lease: Redis
    redis_reads: Redis


def real(settings: Settings, holder: str, by: Connections) -> Outside:
    """The sessions are the alerts' alone: what they hold up holds up nothing else."""
    first = RedisLease(by.lease, holder, ttl_s(settings.alert_evaluation_interval / 1000))
    archive = DatabaseShelf(by.reads)

    async def close() -> None:
        await asyncio.gather(
            by.writes.close(),
            by.lock.close(),
            *(one.aclose() for one in (by.redis, by.lease, by.redis_reads)),
        )

    return Outside(
        database=DatabaseShelf(by.writes),
        ledger=RedisLedger(by.redis),
        sources=Sources(archive, RedisLedger(by.redis_reads)),
        first=first,
        second=DatabaseLock(by.lock),
        close=close,
        holder=first.holder,
        prune=archive.prune,
    )


@dataclass(frozen=True)
class Asked:
    """What the alerts ask of the rest of the service."""

    sample: Callable[[], Awaitable[Samples]]
    # As many as live, or None while nobody can tell.
    replicas: Callable[[], int | None]
    # The switch that holds notifications back.
    muted: Callable[[], bool]


class Alerting:
    """Everything of the alerts in one replica. `replica` must be this process's alone."""

    def __init__(
        self, settings: Settings, replica: str, outside: Outside, asked: Asked, gauge: Gauge
    ) -> None:
        self._replica = replica
        self._outside = outside
        self._holder: str | None = None
        interval_s = settings.alert_evaluation_interval / 1000
        self.rules = RulesInForce(settings.alert_rules_file, time.time)
        self.desk = Desk(outside.database, outside.ledger, time.monotonic)
        self._view = View(self.desk, outside.sources, time.monotonic)
        self._pruning = Pruning(outside.prune, self.is_leader, time.monotonic)
        self.leadership = Leadership(outside.first, outside.second, ttl_s(interval_s), time.monotonic)
        levels, addresses = destinations(_urls(settings))
        self._poster = Poster(settings.alert_webhook_allowed_hosts)
        receivers = Receivers(
            addresses,
            settings.alert_webhook_format,
            settings.alert_webhook_secret,
            settings.alert_webhook_max_per_minute,
            _contacts(settings),
        )
        self._trial = Trial(self.desk, self._poster, receivers, asked.muted, time.time)
        self.engine = Engine(
            self.desk, self.leadership, self.rules, asked.sample, Terms(levels, interval_s, time.time), gauge
        )
        self.notifier = Notifier(
            self.desk,
            self.leadership,
            self._poster,
            receivers,
            Surroundings(
                asked.muted, asked.replicas, settings.replicas_expected, time.time, random.random, gauge
            ),
            replica,
        )
        self.heartbeat = Heartbeat(
            self._poster, settings.heartbeat_url, lambda: self.engine.fresh, time.time, gauge
        )
        self.engine.notifier, self.engine.heartbeat = self.notifier, self.heartbeat
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> Sequence[asyncio.Task[None]]:
        """What runs from now on, until it is stopped."""
        self.rules.start()
        runs = (
            self.engine.run(),
            self.notifier.run(),
            self.heartbeat.run(),
            self._pruning.run(),
            self._watch_holder(),
        )
        self._tasks = [asyncio.create_task(one) for one in runs]
        return self._tasks

    async def stop(self) -> None:
        """Another replica may lead from now on."""
        await tasks.end(self._tasks)
        if self._tasks:
            await self.leadership.give_up()
        await asyncio.gather(self._poster.close(), self._outside.close())

    def is_leader(self) -> bool:
        return self.leadership.leads

    def leader(self) -> str | None:
        """The replica that leads, as far as this one knows."""
        return self._replica if self.leadership.leads else self._holder

    def status(self) -> Mapping[str, object]:
        return self.engine.status()

    def measured(self) -> Mapping[str, Measured]:
        """What the alerts know of themselves, by the names that rules have for it."""
        return self.engine.measured()

    def oldest_s(self) -> float:
        return self.notifier.oldest_s()

    def routes(
        self, may_read: Callable[[Request], None], may_administer: Callable[[Request], None]
    ) -> list[Route]:
        return Alerts(
            self.desk, self._view, self.rules, self._trial, time.time, may_read, may_administer
        ).routes()

    async def _watch_holder(self) -> None:
        while True:
            try:
                self._holder = await self._outside.holder()
            except StoreUnavailable:
                self._holder = None
            except Exception:
                self._holder = None
                logger.exception("nobody knows who leads; the next look follows")
            await asyncio.sleep(1.0)


def _urls(settings: Settings) -> dict[int, str]:
    return {
        1: settings.alert_webhook_url,
        2: settings.alert_webhook_url_l2,
        3: settings.alert_webhook_url_l3,
    }


def _contacts(settings: Settings) -> dict[int, str]:
    named = dict(settings.alert_contacts)
    return {level: named[f"l{level}"] for level in LEVELS if f"l{level}" in named}
