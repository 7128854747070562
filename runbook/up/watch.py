"""Failing fast: a container of the run that will not become well need not be waited for.

The provider asks for health once a second, notices neither `unhealthy` nor a signal, and gives up after its
whole time; it fails at once when the container has gone. So the container goes, its log kept before.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runbook.engine import Container, Engine
from runbook.errors import AmasError
from runbook.up.failed_logs import keep_log, last_words
from runbook.up.repair import MOST_RESTARTS
from runbook.volumes import DATA_PARTS

LOOK_EVERY_S = 1.0
STOP_S = 10


@dataclass
class Watch:
    """`look` is called again and again while pulumi works."""

    engine: Engine
    stack: str
    earlier: Collection[str]
    logs: Path
    clock: Callable[[], float] = time.monotonic
    reasons: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    _next_look: float = 0.0

    def look(self) -> None:
        if self.clock() < self._next_look:
            return
        try:
            found = self.engine.containers(self.stack)
            for container, reason in lost(
                [one for one in found if one.id not in self.earlier and not one.burst]
            ):
                self._give_up(container, reason)
        except (AmasError, OSError):  # the engine is away: pulumi meets the same and says so
            pass
        self._next_look = self.clock() + LOOK_EVERY_S

    def _give_up(self, container: Container, reason: str) -> None:
        self.reasons.append(reason)
        self.words += last_words(self.engine, container)
        keep_log(self.engine, container, self.logs)
        self.engine.remove_container(container, STOP_S)


def lost(containers: Sequence[Container]) -> list[tuple[Container, str]]:
    """Those that will not become well, and why. A part at work on its data is given all its time."""
    found = []
    for one in containers:
        if not one.is_job and one.restarts > MOST_RESTARTS:
            found.append((one, f"{one.name} ended again and again, {one.restarts} times"))
        elif one.state == "running" and one.health == "unhealthy" and one.part not in DATA_PARTS:
            found.append((one, f"{one.name} is unhealthy"))
    return found
