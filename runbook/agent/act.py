"""Carries out an order on one stack's replicas, or refuses it."""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from runbook.agent import clone
from runbook.agent.clone import Attributes, Replica
from runbook.agent.order import BurstDown, BurstUp, Look, Order, Refused, Restart

# Readiness goes, the load balancer notices, the write queue empties.
DRAIN_S = 45
PART = "api"
ROLLING = "a release is on its way: the replicas are not alike"


class Engine(Protocol):
    """What the orders need of it."""

    def replicas(self, stack: str) -> list[Attributes]: ...
    def run(self, name: str, body: Mapping[str, Any]) -> str: ...
    def remove(self, container: str, grace_s: int) -> None: ...
    def restart(self, container: str, grace_s: int) -> None: ...
    def diagnosed(self, container: str) -> dict[str, Any]: ...


@dataclass
class Agent:
    """`most_burst` is the agent's own bound: whoever has taken the autoscaler cannot pass it."""

    engine: Engine
    stack: str
    most_burst: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def carry_out(self, order: Order) -> dict[str, Any]:
        """Raises Refused or EngineFailed; one change at a time."""
        if isinstance(order, Look):
            return self._look()
        if not self._changing.acquire(blocking=False):
            raise Refused("another change is under way")
        try:
            match order:
                case BurstUp():
                    return self._burst_up()
                case BurstDown():
                    return self._burst_down()
                case Restart(replica=replica):
                    return self._restart(replica)
        finally:
            self._changing.release()

    def _look(self) -> dict[str, Any]:
        found = [clone.replica(one) for one in self.engine.replicas(self.stack)]
        alike, now = {one.print for one in found if not one.burst}, self.now()
        return {
            "rolling": _rolling(found),
            "replicas": [
                {
                    "id": one.id,
                    "name": one.name,
                    "burst": one.burst,
                    "healthy": one.healthy,
                    "stale": one.burst and one.print not in alike,
                    "ageSeconds": round(one.age_s(now), 3),
                    "memoryBytes": one.memory_bytes,
                }
                for one in found
            ],
        }

    def _burst_up(self) -> dict[str, Any]:
        found = self.engine.replicas(self.stack)
        burst = [one for one in found if clone.replica(one).burst]
        if len(burst) >= self.most_burst:
            raise Refused(f"{self.most_burst} burst replicas are the most there may be")
        body = clone.body(_template(found, self._network), self._network, PART)
        name = f"{self._network}-{PART}-burst-{secrets.token_hex(3)}"
        return {"id": self.engine.run(name, body), "name": name}

    def _burst_down(self) -> dict[str, Any]:
        found = [clone.replica(one) for one in self.engine.replicas(self.stack)]
        one = clone.to_remove(
            [each for each in found if each.burst], [each for each in found if not each.burst]
        )
        if one is None:
            raise Refused("there is no burst replica")
        self.engine.remove(one.id, DRAIN_S)
        return {"id": one.id, "name": one.name}

    def _restart(self, wanted: str) -> dict[str, Any]:
        found = [clone.replica(one) for one in self.engine.replicas(self.stack)]
        one = _only(wanted, found)
        if _rolling(found):
            raise Refused(ROLLING)
        ill = [each.name for each in found if not each.healthy and each.id != one.id]
        if ill or len(found) < 2:
            raise Refused(f"no other replica serves meanwhile: {', '.join(ill) or 'it is the only one'}")
        diagnosed = self.engine.diagnosed(one.id)
        self.engine.restart(one.id, DRAIN_S)
        return {"id": one.id, "name": one.name, "diagnostics": diagnosed}

    @property
    def _network(self) -> str:
        return f"amas-{self.stack}"


def _template(found: Sequence[Attributes], network: str) -> Attributes:
    """The newest of the configured replicas, once they are all alike and hold the standard."""
    if _rolling([clone.replica(one) for one in found]):
        raise Refused(ROLLING)
    base = [one for one in found if not clone.replica(one).burst]
    healthy = sorted((one for one in base if clone.replica(one).healthy), key=lambda one: str(one["Created"]))
    if not healthy:
        raise Refused("no configured replica is healthy: there is nothing to clone")
    faults = clone.faults(healthy[-1], network)
    if faults:
        raise Refused(f"replica {healthy[-1]['Id'][:12]} is no template: {'; '.join(faults)}")
    return healthy[-1]


def _rolling(found: Sequence[Replica]) -> bool:
    return len({one.print for one in found if not one.burst}) > 1


def _only(wanted: str, found: Sequence[Replica]) -> Replica:
    named = [one for one in found if one.id.startswith(wanted)]
    if len(named) != 1:
        raise Refused(f"no replica of this stack has the id {wanted[:12]}")
    return named[0]
