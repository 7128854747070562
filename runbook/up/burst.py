"""Burst replicas around a release: they serve until the new replicas do, then they go.

Pulumi does not know them, and they hold the old replicas' volume of secrets, which it is about to delete.
"""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from runbook.engine import Container, Engine
from runbook.errors import AmasError
from runbook.terminal import Progress

LOOK_EVERY_S = 1.0
DRAIN_S = 45
AGENT, AUTOSCALER, REPLICAS = "agent", "autoscaler", "api"


@dataclass
class BurstSweep:
    """`look` is called again and again while pulumi works, `finish` when it has succeeded."""

    engine: Engine
    stack: str
    earlier: Sequence[Container]
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    _next_look: float = 0.0

    def look(self) -> None:
        if self.clock() < self._next_look:
            return
        self._next_look = self.clock() + LOOK_EVERY_S
        try:
            found = obsolete(self.engine.containers(self.stack), self.earlier)
        except (AmasError, OSError):  # the engine is away: pulumi meets the same and says so
            return
        sweep(self.engine, found, self.progress)

    def finish(self) -> None:
        containers = self.engine.containers(self.stack)
        sweep(self.engine, [*obsolete(containers, self.earlier), *orphaned(containers)], self.progress)


def obsolete(containers: Sequence[Container], earlier: Sequence[Container]) -> list[Container]:
    """Those from before, once a configured replica from before has gone: the new ones are all well then.

    Also what was cloned from those since the release began: it holds the volume that goes with them.
    """
    old = {one.id: one for one in earlier if one.part == REPLICAS and not one.burst}
    if old.keys() <= {one.id for one in containers}:
        return []
    before = {one.id for one in earlier if one.burst}
    held = {name for one in containers if one.part == REPLICAS and not one.burst for name in one.volumes}
    going = {name for one in old.values() for name in one.volumes} - held
    return [
        one for one in containers if one.burst and (one.id in before or not going.isdisjoint(one.volumes))
    ]


def orphaned(containers: Sequence[Container]) -> list[Container]:
    """Without an agent nobody would ever take them away."""
    return [] if any(one.part == AGENT for one in containers) else [one for one in containers if one.burst]


def sweep(engine: Engine, found: Collection[Container], progress: Progress) -> None:
    """At once: each takes its time to drain, and pulumi waits for their volume for 30 s at most."""
    going = list({each.id: each for each in found}.values())
    for one in going:
        progress.say(f"removing {one.name}, a burst replica of before")
    with ThreadPoolExecutor(max(1, len(going))) as pool:
        list(pool.map(lambda one: engine.remove_container(one, DRAIN_S), going))


def settle(engine: Engine, stack: str) -> None:
    """Before a stack goes: nobody may make another replica behind pulumi's back."""
    for one in engine.containers(stack, AUTOSCALER):
        if one.state == "running":
            engine.stop_container(one, 10)
