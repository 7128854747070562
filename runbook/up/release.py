"""`pulumi up` as a step: a line per resource, the whole output in a log, the reason when it fails."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runbook import places
from runbook.engine import Container, Engine
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing
from runbook.events import Changed, Diagnosed, Event, Summed
from runbook.handed_in import hand_in
from runbook.releases import record
from runbook.releases.program import of_this_checkout
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.aftermath import clear_away, clear_away_earlier, told
from runbook.up.burst import BurstSweep
from runbook.up.docker_engine import plain_reason
from runbook.up.failed_logs import folder_of, last_words
from runbook.up.record import forget_record, write_record
from runbook.up.repair import is_well
from runbook.up.watch import Watch

LAST_LINES = 15


@dataclass
class Report:
    """What one run of the engine told."""

    changed: list[Changed] = field(default_factory=list)
    errors: list[Diagnosed] = field(default_factory=list)
    sum: Summed | None = None

    def take(self, event: Event) -> None:
        match event:
            case Changed():
                self.changed.append(event)
            case Diagnosed(severity="error"):
                self.errors.append(event)
            case Summed():
                self.sum = event

    @property
    def count(self) -> int:
        """Resources that changed; one that was replaced counts once."""
        return len({(one.kind, one.name) for one in self.changed})


def release(
    stack: Stack, settings: Sequence[str], engine: Engine, progress: Progress, how: str = record.UP
) -> Report:
    """Brings the stack to what the program says, or back to what stood before; then it raises."""
    log, kept = places.state_dir() / "logs" / f"up-{stack.name}.log", folder_of(datetime.now(UTC))
    clear_away_earlier(stack, engine, kept, progress)
    before = engine.containers(stack.name)
    earlier = {one.id: one.part for one in before if not one.burst}
    report, watch = Report(), Watch(engine, stack.name, earlier, kept)
    bursts = BurstSweep(engine, stack.name, before, progress)

    def meanwhile() -> None:
        watch.look()
        bursts.look()

    write_record(stack.name, earlier)
    try:
        exit_code = stack.up(settings, log, lambda event: _tell(event, report, progress), meanwhile)
    except KeyboardInterrupt:
        _clear_away(stack, engine, kept, progress)
        raise
    if exit_code != 0 or watch.reasons:
        require_engine(engine, stack.name, log)
        words = [
            *failure(report, exit_code, log, watch.reasons),
            *watch.words,
            *_ill_words(engine, stack.name),
        ]
        words += _clear_away(stack, engine, kept, progress)
        if settings and how == record.UP:  # an upgrade puts them back
            words.append(f"stays set for the next run: {', '.join(settings)}")
        raise CheckFailed("\n".join(words), f"less {log}")
    forget_record(stack.name)
    if stack.program is None:  # first: it is in force, whatever becomes of the rest
        record.keep(stack.name, of_this_checkout(), stack.config(), how, datetime.now(UTC))
    bursts.finish()
    hand_in(stack.name, engine, progress)
    progress.say(f"{report.count} resources changed" if report.count else "nothing to change")
    return report


def require_engine(engine: Engine, stack: str, log: Path) -> None:
    """Without it nothing can be asked or put right; the record stays, and the next run begins with that."""
    try:
        engine.containers(stack)
    except OSError as reason:
        where = os.environ.get("DOCKER_HOST") or "its socket"
        raise EnvironmentMissing(
            f"the Docker engine stopped answering on {where} during `pulumi up`: {plain_reason(reason)}\n"
            f"pulumi's output is in {log}",
            "./scripts/up again: it starts the engine where it may, and goes on from here",
        ) from None


def failure(report: Report, exit_code: int, log: Path, given_up: Sequence[str] = ()) -> list[str]:
    """What pulumi says of a container that was given up is but the echo of that."""
    if given_up:
        return [f"not waited for: {'; '.join(given_up)}", f"pulumi's whole output is in {log}"]
    lines = [f"pulumi ended with {exit_code}; its whole output is in {log}"]
    for error in report.errors:
        first, *rest = error.message.splitlines()
        lines += [f"{error.name}: {first}" if error.name else first, *(f"  {line}" for line in rest)]
    if not report.errors and log.exists():
        lines += log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    return lines


def is_ill(container: Container) -> bool:
    return not is_well(container)


def _tell(event: Event, report: Report, progress: Progress) -> None:
    report.take(event)
    match event:
        case Changed(word=word, name=name, kind=kind):
            progress.say(f"{word} {kind} {name}")
        case Diagnosed(severity="warning", message=message):
            progress.say(f"warning: {message}")


def _clear_away(stack: Stack, engine: Engine, kept: Path, progress: Progress) -> list[str]:
    """What it fails at, the next `up` begins with: the record stays until it is done."""
    try:
        return told(clear_away(stack, engine, kept, progress))
    except (AmasError, OSError) as reason:
        return [
            f"the failed release is not cleared away yet: {reason}",
            "the next ./scripts/up begins with that",
        ]


def _ill_words(engine: Engine, stack: str) -> list[str]:
    """The last log lines of every container that is not as it should be."""
    try:
        ill = [container for container in engine.containers(stack) if is_ill(container)]
        return [line for container in ill for line in last_words(engine, container)]
    except (AmasError, OSError) as reason:
        return [f"the containers could not be asked: {reason}"]
