"""`pulumi up` as a step: a line per resource, the whole output in a log, the reason when it fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runbook import places
from runbook.engine import Container, Engine
from runbook.errors import AmasError, CheckFailed
from runbook.events import Changed, Diagnosed, Event, Summed
from runbook.stack import Stack
from runbook.terminal import Progress

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


def release(stack: Stack, settings: Sequence[str], engine: Engine, progress: Progress) -> Report:
    """Brings the stack to what the program says; raises with the reason and the log's place if it cannot."""
    log = places.state_dir() / "logs" / "up.log"
    report = Report()
    exit_code = stack.up(settings, log, lambda event: _tell(event, report, progress))
    if exit_code != 0:
        raise CheckFailed(
            "\n".join([*failure(report, exit_code, log), *_last_words(engine, stack.name)]), f"less {log}"
        )
    progress.say(f"{report.count} resources changed" if report.count else "nothing to change")
    return report


def _tell(event: Event, report: Report, progress: Progress) -> None:
    report.take(event)
    match event:
        case Changed(word=word, name=name, kind=kind):
            progress.say(f"{word} {kind} {name}")
        case Diagnosed(severity="warning", message=message):
            progress.say(f"warning: {message}")


def failure(report: Report, exit_code: int, log: Path) -> list[str]:
    lines = [f"pulumi ended with {exit_code}; its whole output is in {log}"]
    for error in report.errors:
        first, *rest = error.message.splitlines()
        lines += [f"{error.name}: {first}" if error.name else first, *(f"  {line}" for line in rest)]
    if not report.errors:
        lines += log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    return lines


def _last_words(engine: Engine, stack: str) -> list[str]:
    """The last log lines of every container that is not as it should be."""
    try:
        ill = [container for container in engine.containers(stack) if is_ill(container)]
        return [line for container in ill for line in _log_of(engine, container)]
    except (AmasError, OSError) as reason:
        return [f"containers could not be asked: {reason}"]


def is_ill(container: Container) -> bool:
    if container.is_job and container.state == "exited":
        return container.exit_code != 0
    return container.state != "running" or container.health not in {None, "healthy"}


def _log_of(engine: Engine, container: Container) -> list[str]:
    state = container.health or f"{container.state}, exit code {container.exit_code}"
    lines = engine.log_lines(container, since=None, tail=LAST_LINES)
    return [f"--- {container.name} ({state}), last lines:", *(line.text for line in lines)]
