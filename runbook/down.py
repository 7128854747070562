"""`amas down`: destroys what can be made again and keeps the data volumes; `--purge` forgets these too."""

from dataclasses import dataclass
from datetime import UTC, datetime

from runbook import places
from runbook.engine import Engine, Leftovers
from runbook.errors import CheckFailed, UsageError
from runbook.events import Changed, Diagnosed, Event
from runbook.releases.record import forget
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.aftermath import clear_away
from runbook.up.burst import settle
from runbook.up.failed_logs import folder_of
from runbook.up.record import read_record
from runbook.up.sole import free_stale_lock, sole_run
from runbook.volumes import data_volumes

# As long as the slowest part needs to end well.
STRAY_GRACE_S = 90


@dataclass(frozen=True)
class Gone:
    """What the engine holds after the stack has gone."""

    stack: str
    kept: tuple[str, ...]
    purged: bool


def take_down(stack: Stack, engine: Engine, progress: Progress) -> Gone:
    with sole_run(stack.name):
        return _take_down(stack, engine, progress)


def _take_down(stack: Stack, engine: Engine, progress: Progress) -> Gone:
    with progress.step("pulumi destroy"):
        _settle(stack, engine, progress)
        _destroy(stack, ["--exclude-protected=true"], progress)
    with progress.step("look for leftovers"):
        refuse_leftovers(engine.leftovers(stack.name), kept=data_volumes(stack.name))
    return Gone(stack.name, _kept(engine, stack.name), purged=False)


def purge(stack: Stack, typed: str, engine: Engine, progress: Progress) -> Gone:
    """The name typed exactly is the consent: everything stored in the stack is lost."""
    refuse_other_name(stack.name, typed)
    with sole_run(stack.name):
        return _purge(stack, engine, progress)


def _purge(stack: Stack, engine: Engine, progress: Progress) -> Gone:
    with progress.step("pulumi destroy"):
        _settle(stack, engine, progress)
        stack.unprotect_all()
        _destroy(stack, ["--exclude-protected=false"], progress)
    with progress.step("remove the data volumes"):
        engine.remove_volumes(engine.leftovers(stack.name).volumes)
    with progress.step("remove stack and configuration"):
        stack.remove()
        forget(stack.name)
    with progress.step("look for leftovers"):
        refuse_leftovers(engine.leftovers(stack.name), kept=())
    return Gone(stack.name, (), purged=True)


def refuse_other_name(stack: str, typed: str) -> None:
    if typed != stack:
        raise UsageError(
            f"--purge {typed!r} is not the name of this stack: nothing was touched",
            f"amas down --purge {stack}",
        )


def refuse_leftovers(found: Leftovers, kept: tuple[str, ...]) -> None:
    left = [
        *(f"container {name}" for name in found.containers),
        *(f"network {name}" for name in found.networks),
        *(f"volume {name}" for name in found.volumes if name not in kept),
    ]
    if left:
        raise CheckFailed("\n".join(["still in the engine:", *left]), "amas down")


def closing_lines(gone: Gone) -> list[str]:
    if gone.purged:
        return [f"stack `{gone.stack}` is gone, with its data and its configuration"]
    kept = ", ".join(gone.kept) or "no data volume"
    return [
        f"stack `{gone.stack}` is down; kept: {kept}",
        "next   ./scripts/up     brings it back with its data",
    ]


def _settle(stack: Stack, engine: Engine, progress: Progress) -> None:
    """What a killed `up` made but could not write down, pulumi would leave behind."""
    free_stale_lock(stack, progress)
    settle(engine, stack.name)
    if read_record(stack.name) is not None:
        clear_away(stack, engine, folder_of(datetime.now(UTC)), progress)
    _sweep(stack, engine, progress)


def _sweep(stack: Stack, engine: Engine, progress: Progress) -> None:
    """A killed `pulumi up` leaves no record; what it made holds volumes and network until pulumi gives up.

    Burst replicas go this way too.
    """
    known = {resource.get("id") for resource in stack.export().get("resources") or []}
    for one in engine.containers(stack.name):
        if one.id not in known:
            progress.say(f"removing {one.name}, which pulumi does not know")
            engine.remove_container(one, STRAY_GRACE_S)


def _destroy(stack: Stack, flags: list[str], progress: Progress) -> None:
    log = places.state_dir() / "logs" / f"down-{stack.name}.log"
    errors: list[str] = []

    def tell(event: Event) -> None:
        match event:
            case Changed(word=word, name=name, kind=kind):
                progress.say(f"{word} {kind} {name}")
            case Diagnosed(severity="error", message=message):
                errors.append(message)

    exit_code = stack.destroy(flags, log, tell)
    if exit_code != 0:
        raise CheckFailed(
            "\n".join([f"pulumi ended with {exit_code}; its output is in {log}", *errors]), f"less {log}"
        )


def _kept(engine: Engine, stack: str) -> tuple[str, ...]:
    return engine.leftovers(stack).volumes
