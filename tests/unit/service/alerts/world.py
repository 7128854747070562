"""Replicas on stores in memory, a clock that is moved by hand, and receivers that answer as told."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.alerts.desk import Desk
from service.alerts.engine import Engine, Terms
from service.alerts.escalation import destinations
from service.alerts.force import RulesInForce
from service.alerts.lease import Leadership
from service.alerts.notifier import Notifier, Receivers, Surroundings
from service.alerts.post import Answer
from service.alerts.rule import Measured, NoData, Rule, Severity
from service.alerts.testing import Floor, MemoryLease, MemoryShelf

START = 1_700_000_000.0
INTERVAL_S = 5.0
TTL_S = 15.0


def rule(rule_id: str, **fields: object) -> Rule:
    usual: dict[str, object] = {
        "id": rule_id,
        "metric": "http.latency.p99",
        "threshold": 500.0,
        "operator": ">",
        "duration_ms": 0,
        "severity": Severity.HIGH,
        "message": f"{rule_id} is above its limit",
        "no_data": NoData.HOLD,
    }
    return Rule(**(usual | fields))  # type: ignore[arg-type]  # the caller knows the fields


class Gauge:
    """Counts everything under its name."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def transitioned(self, status: str) -> None:
        self._count(status)

    def notified(self, result: str) -> None:
        self._count(result)

    def heartbeat(self, result: str) -> None:
        self._count(f"heartbeat {result}")

    def evaluated(self, took_s: float, at: float) -> None:
        assert at - took_s > 0
        self._count("evaluated")

    def firing(self, by_severity: Mapping[str, int]) -> None:
        pass

    def leads(self, leads: bool) -> None:
        pass

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


class Killed(Exception):
    """The process ends here."""


@dataclass
class Received:
    """One message that arrived."""

    at: float
    url: str
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return json.dumps(self.body)

    def names(self, status: str) -> list[str]:
        """The rules it tells of, from a generic message."""
        alerts: list[dict[str, Any]] = self.body["alerts"]
        return [one["labels"]["alertname"] for one in alerts if one["status"] == status]


@dataclass
class Receiver:
    """Answers 200 unless told otherwise; keeps what came."""

    now: Callable[[], float]
    answer: Callable[[], Answer] = lambda: Answer(200)
    came: list[Received] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.before()
        answer = self.answer()
        self.came.append(Received(self.now(), url, answer.status, json.loads(body), headers))
        self.after()
        return answer

    @property
    def taken(self) -> list[Received]:
        return [one for one in self.came if one.status == 200]

    def told(self, status: str) -> list[str]:
        return [name for one in self.taken for name in one.names(status)]

    def most_in_a_minute(self) -> int:
        at = [one.at for one in self.came]
        return max((sum(first <= one < first + 60 for one in at) for first in at), default=0)


@dataclass
class Replica:
    """One of them; `alive` is false after it was killed."""

    name: str
    desk: Desk
    leadership: Leadership
    engine: Engine
    notifier: Notifier
    rules: RulesInForce
    gauge: Gauge
    alive: bool = True


@dataclass
class World:
    """Time passes only by `run` and `skip`."""

    rules: Sequence[Rule] = ()
    urls: Mapping[int, str] = field(default_factory=lambda: {1: "https://one.example/hook"})
    form: str = "generic"
    most: int = 12
    now_s: float = START
    samples: dict[str, Measured] = field(default_factory=dict)
    muted: bool = False
    expected: int = 1
    replicas: list[Replica] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database, self.ledger = MemoryShelf(), MemoryShelf()
        self.floor, self.second = Floor(self.now), Floor(self.now)
        self.receiver = Receiver(self.now)

    def now(self) -> float:
        return self.now_s

    def live(self) -> int | None:
        """As the queue's Redis knows."""
        return None if self.ledger.away else sum(one.alive for one in self.replicas)

    def add(self) -> Replica:
        name, gauge = f"replica-{len(self.replicas)}", Gauge()
        desk = Desk(self.database, self.ledger, self.now)
        first, second = (MemoryLease(floor, name, TTL_S) for floor in (self.floor, self.second))
        leadership = Leadership(first, second, TTL_S, self.now)
        rules = RulesInForce("", self.now)
        rules.rules = self.rules
        levels, addresses = destinations(self.urls)

        async def sample() -> Mapping[str, Measured]:
            return self.samples

        engine = Engine(desk, leadership, rules, sample, Terms(levels, INTERVAL_S, self.now), gauge)
        around = Surroundings(lambda: self.muted, self.live, self.expected, self.now, lambda: 0.5, gauge)
        receivers = Receivers(addresses, self.form, "secret", self.most)
        notifier = Notifier(desk, leadership, self.receiver, receivers, around, name)
        engine.notifier = notifier
        self.replicas.append(Replica(name, desk, leadership, engine, notifier, rules, gauge))
        return self.replicas[-1]

    async def round(self) -> None:
        for one in self.replicas:
            if one.alive:
                await self.do(one, one.engine.round)

    async def tell(self) -> None:
        for one in self.replicas:
            if one.alive:
                await self.do(one, lambda one=one: self._told(one))  # type: ignore[misc]

    async def _told(self, one: Replica) -> None:
        for line in one.notifier.lines:
            while await one.notifier.step(line):
                pass

    async def do(self, one: Replica, step: Callable[[], object]) -> None:
        try:
            await step()  # type: ignore[misc]
        except Killed:
            one.alive = False

    async def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Each second the notifiers look, each interval the engines evaluate."""
        end = self.now_s + seconds
        while self.now_s < end and not until():
            if (self.now_s - START) % INTERVAL_S == 0:
                await self.round()
            await self.tell()
            self.now_s += 1.0

    @property
    def leader(self) -> Replica:
        return next(one for one in self.replicas if one.alive and one.leadership.leads)
