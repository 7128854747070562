"""The autoscaler's round: look, decide, have it done, tell."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runbook.agent.client import AgentFailed
from runbook.agent.order import BurstDown, BurstUp, Restart
from runbook.agent.order import Order as AgentOrder
from runbook.scale import decide
from runbook.scale.decide import Action, Blind, Decision, Order, Signals, State
from runbook.scale.exposed import Metrics, Standing

# What may pass between two looks before the container counts as ill.
MISSED_LOOKS = 12
Tell = Callable[[Mapping[str, Any]], None]


@dataclass
class Autoscaler:
    """The state between rounds. `look` answers what is seen now, `send` has the agent do something."""

    look: Callable[[float], Signals | Blind]
    send: Callable[[AgentOrder], Mapping[str, Any]]
    ordered: Callable[[], Order | None]
    standing: Standing
    metrics: Metrics
    tell: Tell
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    state: State = field(default_factory=State)
    _told: str = ""

    def round(self) -> None:
        """`now` for people and the service's stamps; what has lasted goes by a clock that nobody sets."""
        seen = self.look(self.now())
        order = self.ordered()
        wanted, self.state = decide.decide(
            seen, self.state, self.standing.rules, self.clock(), self._until(order)
        )
        self.metrics.take(seen, wanted, self.now())
        self._say(seen, wanted)
        if wanted.action is not Action.HOLD:
            self._have_done(wanted)
        self._keep(seen, wanted, order)

    def _until(self, order: Order | None) -> Order | None:
        """An order's end on the clock of the rounds."""
        return Order(order.replicas, self.clock() + order.until - self.now()) if order else None

    def _have_done(self, wanted: Decision) -> None:
        self.metrics.changed_at.set(self.now())
        if self.standing.dry_run:
            return
        try:
            done = self.send(agent_order(wanted))
        except AgentFailed as reason:
            self.metrics.failures.inc()
            self.tell(
                {"level": "warning", "message": "not done", "action": wanted.action, "reason": reason.message}
            )
            return
        self.tell({"level": "info", "message": "done", "action": wanted.action, **done})

    def _say(self, seen: Signals | Blind, wanted: Decision) -> None:
        """Every step, and each new reason to take none: the same one with other figures is no news."""
        kind = f"{wanted.action} {re.sub(r'[0-9.]+', '', wanted.reason)}"
        if wanted.action is Action.HOLD and kind == self._told:
            return
        self._told = kind
        level = "warning" if isinstance(seen, Blind) else "info"
        count = None if isinstance(seen, Blind) else len(seen.replicas)
        would = {"dryRun": True} if self.standing.dry_run else {}
        facts = {"level": level, "message": "decided", "action": wanted.action, "reason": wanted.reason}
        self.tell({**facts, "replicas": count, **would})

    def _keep(self, seen: Signals | Blind, wanted: Decision, order: Order | None) -> None:
        standing, now = self.standing, self.now()
        standing.signals, standing.decision, standing.looked_at = seen, wanted, now
        standing.order = {"replicas": order.replicas, "until": _stamp(order.until)} if order else None
        if not isinstance(seen, Blind):
            standing.seen_at = now
        if wanted.action is not Action.HOLD:
            standing.last_change = {"at": _stamp(now), "action": wanted.action, "reason": wanted.reason}


def agent_order(wanted: Decision) -> AgentOrder:
    match wanted.action:
        case Action.GROW:
            return BurstUp()
        case Action.SHRINK | Action.SWEEP:
            return BurstDown()
    return Restart(wanted.replica or "")


def run(autoscaler: Autoscaler, stop: threading.Event) -> None:
    """Until told to stop; a round that takes long is followed by the next at once."""
    while not stop.is_set():
        began = autoscaler.clock()
        autoscaler.round()
        stop.wait(max(0.0, autoscaler.standing.every_s - (autoscaler.clock() - began)))


def tell_json(facts: Mapping[str, Any]) -> None:
    """A line as every part of the stack writes it."""
    stamped = {"time": _stamp(time.time()), "component": "autoscaler", **facts}
    sys.stdout.write(json.dumps(stamped) + "\n")
    sys.stdout.flush()


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
