"""When the load is over: what was stored, how long that took, and the run's rows away again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loadtests.verdict import DRAIN_WITHIN_S
from loadtests.watch import Service
from runbook.errors import AmasError

ASK_EVERY_S = 0.5
# A purge that outlasts the load balancer's patience goes on behind it.
PURGE_WITHIN_S = 600.0


class Runs(Service, Protocol):
    """The part of runbook.api.Api that counts and purges a run."""

    def stored_of_run(self, run_id: str) -> int: ...

    def purge_run(self, run_id: str) -> int: ...


@dataclass(frozen=True)
class Clock:
    """Time, and how to let it pass."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def drained(service: Runs, run_id: str, accepted: int, clock: Clock) -> tuple[int, float | None]:
    """The rows, and how long it took until all that was accepted were there; None: not within the limit."""
    started = clock.monotonic()
    while True:
        stored = service.stored_of_run(run_id)
        took_s = clock.monotonic() - started
        if stored >= accepted:
            return stored, took_s
        if took_s >= DRAIN_WITHIN_S:
            return stored, None
        clock.sleep(ASK_EVERY_S)


def purge(service: Runs, run_id: str, clock: Clock) -> int:
    """The rows that are left; raises AmasError when the last try was not answered."""
    started = clock.monotonic()
    while True:
        error = _purge_once(service, run_id)
        left = service.stored_of_run(run_id)
        if not left:
            return 0
        if clock.monotonic() - started >= PURGE_WITHIN_S:
            if error:
                raise error
            return left
        clock.sleep(ASK_EVERY_S)


def _purge_once(service: Runs, run_id: str) -> AmasError | None:
    try:
        service.purge_run(run_id)
    except AmasError as error:
        return error
    return None
