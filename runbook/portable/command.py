"""`amas backup export` and `amas backup import`: their options, and what they show."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runbook import terminal
from runbook.connections import database_name
from runbook.engine import connect, require_part
from runbook.errors import UsageError
from runbook.options import AsJson, StackName
from runbook.portable import export as exporting
from runbook.portable import load as loading
from runbook.portable.load import Target
from runbook.portable.server import Server
from runbook.stack import Stack
from runbook.switches import api_of


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; it replaces none.")],
    stack: StackName,
    as_json: AsJson = False,
) -> None:
    """Write the whole database into one portable file. Runs on the host.

    A logical dump of one moment with a manifest of versions and rows, for another stack or a newer
    PostgreSQL. The stack goes on serving. For disasters there are the backups.
    """
    progress = terminal.Progress()
    now = datetime.now(UTC)
    done = exporting.export(_target(stack).server, stack, file, now, progress)
    if as_json:
        terminal.show_json({**asdict(done), "steps": dict(progress.finished)})
    else:
        terminal.show_lines(exporting.closing_lines(done))


def import_(
    stack: StackName,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="What `export` wrote.")] = None,
    replace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Replace the decisions the stack holds: type its name. They are kept."
        ),
    ] = None,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear", help="Drop what earlier imports left: the former database, a half-loaded one."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put an export into a stack, prove it by its manifest. Runs on the host.

    Loaded beside the present database and counted before it takes its place; the service spools meanwhile.
    """
    from runbook.up.sole import sole_run  # noqa: PLC0415 - host only: absent from the runbook image

    progress = terminal.Progress()
    target = _target(stack, replace)
    done: loading.Imported | loading.Cleared
    with sole_run(stack):
        done = loading.clear(target, progress) if clear else _loaded(target, file, progress)
    if as_json:
        terminal.show_json({**asdict(done), "steps": dict(progress.finished)})
    elif isinstance(done, loading.Cleared):
        terminal.show_lines([f"dropped: {', '.join(done.dropped) or 'nothing was left'}"])
    else:
        terminal.show_lines(loading.closing_lines(done))


def _loaded(target: Target, file: Path | None, progress: terminal.Progress) -> loading.Imported:
    if file is None:
        raise UsageError("FILE is missing: what shall be imported?", "amas backup import FILE")
    with api_of(Stack(target.stack)) as api:
        return loading.load(target, file, api, progress)


def _target(stack: str, typed: str | None = None) -> Target:
    engine = connect()
    server = Server(require_part(engine, stack, "db"), database_name(Stack(stack).config()))
    return Target(stack, server, engine, typed)
