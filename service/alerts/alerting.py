"""The alerts of one replica, put together; service.app starts, stops and asks it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.routing import Route

from service.alerts import engine, heartbeat, notifier
from service.alerts.desk import Desk
from service.alerts.engine import Engine, Terms
from service.alerts.escalation import destinations
from service.alerts.force import RulesInForce
from service.alerts.heartbeat import Heartbeat
from service.alerts.lease import DatabaseLock, Leadership, Lease, RedisLease, ttl_s
from service.alerts.notifier import Notifier, Receivers, Surroundings
from service.alerts.post import Poster
from service.alerts.round import Samples
from service.alerts.routes import Alerts
from service.alerts.shelf import DatabaseShelf, Ledger, RedisLedger, Shelf
from service.db import Session
from service.errors import StoreUnavailable
from service.redisdb import Redis
from service.settings import Settings


class Gauge(engine.Gauge, notifier.Gauge, heartbeat.Gauge, Protocol):
    """All that is measured here."""


@dataclass(frozen=True)
class Outside:
    """What the alerts have outside the process; the tests bring twins."""

    database: Shelf
    ledger: Ledger
    first: Lease
    second: Lease
    close: Callable[[], Awaitable[None]]
    # Who holds the first lease, whichever replica asks.
    holder: Callable[[], Awaitable[str | None]]


def real(settings: Settings, holder: str, redis: Redis, writes: Session, lock: Session) -> Outside:
    """The sessions are the alerts' alone: what they hold up holds up nothing else."""
    first = RedisLease(redis, holder, ttl_s(settings.alert_evaluation_interval / 1000))

    async def close() -> None:
        await asyncio.gather(writes.close(), lock.close())

    return Outside(DatabaseShelf(writes), RedisLedger(redis), first, DatabaseLock(lock), close, first.holder)


@dataclass(frozen=True)
class Asked:
    """What the alerts ask of the rest of the service."""

    sample: Callable[[], Awaitable[Samples]]
    replicas: Callable[[], int]
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
        self.leadership = Leadership(outside.first, outside.second, ttl_s(interval_s), time.monotonic)
        levels, addresses = destinations(_urls(settings))
        self._poster = Poster(settings.alert_webhook_allowed_hosts)
        self.engine = Engine(
            self.desk, self.leadership, self.rules, asked.sample, Terms(levels, interval_s, time.time), gauge
        )
        self.notifier = Notifier(
            self.desk,
            self.leadership,
            self._poster,
            Receivers(
                addresses,
                settings.alert_webhook_format,
                settings.alert_webhook_secret,
                settings.alert_webhook_max_per_minute,
            ),
            Surroundings(asked.muted, asked.replicas, time.time, random.random, gauge),
            replica,
        )
        self.heartbeat = Heartbeat(
            self._poster, settings.heartbeat_url, lambda: self.engine.fresh, time.time, gauge
        )
        self.engine.notifier, self.engine.heartbeat = self.notifier, self.heartbeat
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.rules.start()
        runs = (self.engine.run(), self.notifier.run(), self.heartbeat.run(), self._watch_holder())
        self._tasks = [asyncio.create_task(one) for one in runs]

    async def stop(self) -> None:
        """Another replica may lead from now on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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

    def oldest_s(self) -> float:
        return self.notifier.oldest_s()

    def routes(
        self, may_read: Callable[[Request], None], may_administer: Callable[[Request], None]
    ) -> list[Route]:
        return Alerts(self.desk, self.rules, time.time, may_read, may_administer).routes()

    async def _watch_holder(self) -> None:
        while True:
            try:
                self._holder = await self._outside.holder()
            except StoreUnavailable:
                self._holder = None
            await asyncio.sleep(1.0)


def _urls(settings: Settings) -> dict[int, str]:
    return {
        1: settings.alert_webhook_url,
        2: settings.alert_webhook_url_l2,
        3: settings.alert_webhook_url_l3,
    }
