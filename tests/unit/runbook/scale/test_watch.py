"""The rounds of the autoscaler, with what it tells of them."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook.agent.client import AgentFailed
from runbook.agent.order import BurstDown, BurstUp, Restart
from runbook.agent.order import Order as AgentOrder
from runbook.errors import EnvironmentMissing
from runbook.exposition import parse
from runbook.scale import report, settings
from runbook.scale.decide import Action, Blind, Decision, Order, Replica, Rules, Signals
from runbook.scale.exposed import Metrics, Standing, serve
from runbook.scale.watch import Autoscaler, agent_order, run

RULES = Rules(least=1, most=3, out_after_s=10, in_after_s=20, cooldown_s=10)
BUSY = Signals((Replica("base0", cpu_percent=90, memory_percent=10),), p95_ms=20)


@dataclass
class World:
    """What is seen, what the agent was asked for, what was told, and the time."""

    seen: Signals | Blind = BUSY
    sent: list[AgentOrder] = field(default_factory=list)
    told: list[Mapping[str, Any]] = field(default_factory=list)
    refusing: bool = False
    at: float = 100.0
    order: Order | None = None

    def send(self, order: AgentOrder) -> Mapping[str, Any]:
        self.sent.append(order)
        if self.refusing:
            raise AgentFailed("a release is on its way")
        return {"name": "amas-local-api-burst-1"}

    def autoscaler(self, *, dry_run: bool = False) -> Autoscaler:
        return Autoscaler(
            look=lambda _now: self.seen,
            send=self.send,
            ordered=lambda: self.order,
            standing=Standing(RULES, dry_run, 10.0, began_at=self.at),
            metrics=Metrics(RULES),
            tell=self.told.append,
            clock=lambda: self.at,
            now=lambda: self.at + 1e6,
        )

    def rounds(self, autoscaler: Autoscaler, count: int) -> None:
        for _ in range(count):
            autoscaler.round()
            self.at += 5


def test_a_step_is_asked_of_the_agent_and_told_with_its_reason() -> None:
    world = World()
    scaler = world.autoscaler()
    world.rounds(scaler, 3)
    assert world.sent == [BurstUp()]
    decided, done = world.told[-2:]
    assert (decided["action"], decided["reason"]) == ("grow", "cpu 90 % > 70 % for 10 s")
    assert (done["message"], done["name"]) == ("done", "amas-local-api-burst-1")
    assert scaler.standing.last_change
    assert scaler.standing.last_change["action"] == "grow"


def test_a_dry_run_tells_and_asks_nobody() -> None:
    world = World()
    world.rounds(world.autoscaler(dry_run=True), 3)
    assert world.sent == []
    assert world.told[-1]["dryRun"]
    assert world.told[-1]["action"] == "grow"


def test_a_refusal_is_told_counted_and_tried_again_after_the_cooldown() -> None:
    world = World(refusing=True)
    scaler = world.autoscaler()
    world.rounds(scaler, 5)
    assert world.sent == [BurstUp(), BurstUp()]
    assert [one["reason"] for one in world.told if one["message"] == "not done"] == [
        "a release is on its way"
    ] * 2
    assert exposed(scaler.metrics)["amas_autoscaler_failures_total"] == 2


def test_each_new_reason_to_hold_is_told_once() -> None:
    world = World(Blind("away"))
    scaler = world.autoscaler()
    world.rounds(scaler, 3)
    world.seen = replace(BUSY, replicas=(replace(BUSY.replicas[0], cpu_percent=5.0),))
    world.rounds(scaler, 20)
    assert [(one["level"], one["reason"]) for one in world.told] == [
        ("warning", "blind: away"),
        ("info", "no trigger holds"),
    ]


def test_an_order_goes_by_the_time_of_day_and_is_followed() -> None:
    world = World(order=Order(2, until=1e6 + 160))
    world.rounds(world.autoscaler(), 1)
    assert world.sent == [BurstUp()]
    assert world.told[0]["reason"] == "ordered: 2 for another 60 s"


@pytest.mark.parametrize(
    ("decision", "order"),
    [
        (Decision(Action.GROW, ""), BurstUp()),
        (Decision(Action.SHRINK, ""), BurstDown()),
        (Decision(Action.SWEEP, ""), BurstDown()),
        (Decision(Action.RESTART, "", "0123456789ab"), Restart("0123456789ab")),
    ],
)
def test_each_step_is_one_of_the_agents_orders(decision: Decision, order: AgentOrder) -> None:
    assert agent_order(decision) == order


def test_the_rounds_end_when_told_to() -> None:
    world, stop = World(), threading.Event()
    scaler = world.autoscaler()
    scaler.standing.every_s = 0.0
    scaler.look = lambda _now: stop.set() or BUSY  # type: ignore[func-returns-value]
    run(scaler, stop)
    assert scaler.standing.looked_at is not None


def exposed(metrics: Metrics) -> dict[str, float]:
    port = serve(metrics, lambda: {"lookAgeSeconds": 1.0}, 60.0, port=0)
    scraped = parse(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text)
    return {one.name: one.value for one in scraped.samples if not one.labels}


def test_what_is_exposed_tells_of_the_last_look() -> None:
    world = World()
    scaler = world.autoscaler()
    world.rounds(scaler, 1)
    found = exposed(scaler.metrics)
    assert (found["amas_autoscaler_blind"], found["amas_autoscaler_cpu_percent"]) == (0, 90)
    world.seen = Blind("away")
    world.rounds(scaler, 1)
    assert exposed(scaler.metrics)["amas_autoscaler_blind"] == 1


@pytest.mark.parametrize(("age_s", "status"), [(None, 503), (61.0, 503), (59.0, 200)])
def test_it_is_healthy_while_it_looks(age_s: float | None, status: int) -> None:
    port = serve(Metrics(RULES), lambda: {"lookAgeSeconds": age_s}, 60.0, port=0)
    assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == status
    assert httpx.get(f"http://127.0.0.1:{port}/else", trust_env=False).status_code == 404


def test_its_state_is_told_in_words_and_a_long_blindness_is_a_fault() -> None:
    world = World()
    scaler = world.autoscaler()
    world.rounds(scaler, 3)
    state = scaler.standing.facts(world.at + 1e6)
    assert report.faults(state) == []
    assert report.replica_rows(state) == [["base0", "configured", "healthy", "90 %", "10 %"]]
    assert "decided   grow: cpu 90 % > 70 % for 10 s" in report.lines(state)
    world.seen = Blind("away")
    world.rounds(scaler, 30)
    late = scaler.standing.facts(world.at + 1e6)
    assert report.faults(late) == ["blind for 2 min 35 s: away"]
    assert report.replica_rows(late) == []
    assert any(line.startswith("FAILED") for line in report.lines(late))


def test_one_that_never_looked_is_at_fault() -> None:
    state = Standing(RULES, dry_run=False, every_s=10.0, began_at=0.0).facts(200.0)
    assert report.faults(state) == ["no look for ever", "blind for 3 min 20 s: no look yet"]


ENVIRONMENT = {
    **dict.fromkeys(settings.VARIABLES.values(), "7"),
    "AMAS_SCALE_LEAST": "2",
    "AMAS_SCALE_MOST": "6",
    "AMAS_AGENT_SOCKET": "/agent/orders.sock",
}


def test_the_environment_becomes_rules() -> None:
    told = settings.read(ENVIRONMENT | {"AMAS_SCALE_DRY_RUN": "true"})
    assert (told.rules.least, told.rules.most, told.rules.in_after_s) == (2, 6, 7.0)
    assert told.dry_run
    assert not settings.read(ENVIRONMENT).dry_run


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_is_not_set_is_named(name: str) -> None:
    with pytest.raises(EnvironmentMissing, match=f"{name} is not set"):
        settings.read({key: value for key, value in ENVIRONMENT.items() if key != name})


def test_an_order_stands_until_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    assert settings.standing_order(0.0, file) is None
    settings.put_order(Order(3, until=50.0), file)
    assert settings.standing_order(49.0, file) == Order(3, 50.0)
    assert settings.standing_order(50.0, file) is None
    for garbage in ("", "[]", '{"replicas": "x"}'):
        file.write_text(garbage)
        assert settings.standing_order(0.0, file) is None
