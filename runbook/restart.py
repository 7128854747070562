"""`amas restart PART`: one replica at a time, drained and healthy again before the next, no request lost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from runbook import consent, terminal
from runbook.api import Api, Unreachable
from runbook.consent import Yes
from runbook.engine import Container, Engine, connect
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.exposition import parse
from runbook.options import AsJson, StackName
from runbook.terminal import Progress

REPLICATED = "api"
# Time to end by itself; the others have nothing to bring to an end.
GRACE_S = {"api": 45, "db": 90}
OTHER_GRACE_S = 30
HEALTHY_WITHIN_S = 180.0
SEEN_WITHIN_S = 60.0
# A replica that has just come up, or one of a busy host, may miss checks again: it takes two, of 2 s each.
SETTLED_S = 5.0
LOOK_EVERY_S = 0.5
# What those who ask notice; a part that is not here is missed by nobody.
NOTICED = {
    "lb": "the only way in: connections are refused for about 2 s",
    "db": "decisions are spooled and uncached reads refused until it is back, about 10 s",
    "queue": "spool, switches and alerts' leader are away for some seconds; stored decisions go on",
    "cache": "all that is cached is lost, and the database answers every read until it is read again",
    "backup": "no WAL is received; with synchronous WAL decisions wait until the watchdog gives it up",
}
SERVERS = "haproxy_backend_active_servers"
BALANCER = "lb"
BALANCER_METRICS_PORT = 8405


@dataclass(frozen=True)
class Clock:
    """Passed in, so that a test waits for nothing."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Restart:
    """What would be done, and what those who ask notice of it."""

    part: str
    containers: tuple[Container, ...]
    noticed: str | None


def restart(
    part: Annotated[str, typer.Argument(help="A part as `amas status` names it, such as api.")],
    stack: StackName,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Restart a part; replicas one at a time, each drained and healthy before the next. Runs on the host.

    Asks where somebody would notice: the load balancer, the stores, a single replica.
    """
    from runbook.up.sole import sole_run  # noqa: PLC0415 - host only: absent from the runbook image

    engine, progress = connect(), Progress()
    wanted = plan(engine.containers(stack), part)
    names = [one.name for one in wanted.containers]
    if wanted.noticed:
        if not as_json:
            terminal.show_lines([*names, f"noticed   {wanted.noticed}"])
        consent.demand(stack, f"restart {part}", yes=yes)
    with sole_run(stack):
        # Looked at again: what a release replaced meanwhile is not there any more.
        restart_all(engine, stack, plan(engine.containers(stack), part), progress)
    if as_json:
        terminal.show_json({"part": part, "restarted": names, "steps": dict(progress.finished)})
    else:
        terminal.show_lines([f"restarted: {', '.join(names)}"])


def plan(containers: Sequence[Container], part: str) -> Restart:
    """Raises for a part that is not there, and for a job, which is over."""
    if not containers:
        raise EnvironmentMissing("the stack does not run", "./scripts/up")
    lasting = sorted({one.part for one in containers if not one.is_job})
    mine = tuple(one for one in containers if one.part == part and not one.is_job)
    if not mine:
        raise UsageError(f"part {part!r}: one of {', '.join(lasting)}", "amas status")
    return Restart(part, mine, noticed(part, mine))


def noticed(part: str, containers: Sequence[Container]) -> str | None:
    if part != REPLICATED:
        return NOTICED.get(part)
    healthy = sum(one.health == "healthy" for one in containers)
    # The one that is stopped may be the only one that answers.
    return None if healthy > 1 else "no other replica is healthy: every request is refused meanwhile"


def restart_all(
    engine: Engine, stack: str, wanted: Restart, progress: Progress, clock: Clock | None = None
) -> None:
    clock = clock or Clock()
    for one in wanted.containers:
        if wanted.part == REPLICATED and wanted.noticed is None:
            with progress.step("the load balancer sends to all replicas, steadily"):
                _wait_for_rotation(engine, stack, len(wanted.containers), clock)
        _restart_one(engine, stack, one, progress, clock)


def _wait_for_rotation(engine: Engine, stack: str, replicas: int, clock: Clock) -> None:
    """Before one is taken out, the others have to take its requests for as long as it is away."""
    since = clock.monotonic()

    def settled() -> bool:
        nonlocal since
        if servers(engine, stack) < replicas:
            since = clock.monotonic()
        return clock.monotonic() - since >= SETTLED_S

    wait_until(settled, SEEN_WITHIN_S, f"{replicas} replicas in the load balancer, steadily", clock)


def _restart_one(engine: Engine, stack: str, one: Container, progress: Progress, clock: Clock) -> None:
    with progress.step(f"{one.name} ends"):
        engine.stop_container(one, GRACE_S.get(one.part, OTHER_GRACE_S))
    healthy = f"{one.name} is healthy again"
    with progress.step(healthy):
        engine.start_container(one)
        wait_until(lambda: is_well(engine, stack, one), HEALTHY_WITHIN_S, healthy, clock)


def wait_until(holds: Callable[[], bool], within_s: float, what: str, clock: Clock) -> None:
    """Raises CheckFailed when it does not hold in time; the parts after it are then left alone."""
    deadline = clock.monotonic() + within_s
    while not holds():
        if clock.monotonic() > deadline:
            raise CheckFailed(f"not within {within_s:.0f} s: {what}; the rest was left alone", "amas status")
        clock.sleep(LOOK_EVERY_S)


def is_well(engine: Engine, stack: str, one: Container) -> bool:
    """Healthy, or running where a part has no health check."""
    now = next((held for held in engine.containers(stack, one.part) if held.id == one.id), None)
    return now is not None and now.state == "running" and now.health in {"healthy", None}


def servers(engine: Engine, stack: str) -> int:
    """Replicas the load balancer sends requests to; 0 while it does not tell."""
    balancer = next(
        (one for one in engine.containers(stack, BALANCER) if one.state == "running" and one.address), None
    )
    if balancer is None:
        raise CheckFailed("the load balancer does not run", "amas status")
    try:
        with Api(f"http://{balancer.address}:{BALANCER_METRICS_PORT}") as api:
            answer = api.read("/metrics")
    except Unreachable:
        return 0
    return int(parse(answer.text).total(SERVERS, proxy=REPLICATED) or 0) if answer.status == 200 else 0
