"""`amas backup restore`: its options, its question, and what it shows."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runbook import escrow, places, terminal
from runbook.connections import database_name
from runbook.engine import connect
from runbook.errors import EnvironmentMissing, UsageError
from runbook.options import AsJson, StackName
from runbook.restore.oneshot import DATA, KEPT, OneShot
from runbook.restore.plan import Wanted, announced, moment
from runbook.stack import Stack
from runbook.switches import api_of

MEMORY_MB = 768


def restore(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    to: Annotated[
        str | None, typer.Option(metavar="TIME", help="A moment with its offset; default: all there is.")
    ] = None,
    backup: Annotated[str | None, typer.Option(metavar="ID", help="Default: the newest that fits.")] = None,
    yes: Annotated[
        str | None,
        typer.Option("--yes", metavar="NAME", help="Consent without being asked: the stack's name."),
    ] = None,
    discard_old: Annotated[
        bool, typer.Option("--discard-old", help="Delete the data directories that earlier restores kept.")
    ] = False,
    from_offsite: Annotated[
        bool, typer.Option("--from-offsite", help="On an empty host: bring back the whole stack.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The recovery sheet, from `amas keys escrow`.")
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|URL", help="Where the copy lies now; default: as on the sheet."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database back from its backups, and prove it before it serves. Runs on the host.

    A new data directory is made beside the old one and compared with the backup's manifest; then it serves.
    The service spools meanwhile; what it acknowledged comes after. The old directory is kept.
    """
    from runbook.restore import flow  # noqa: PLC0415 - host only: releases by pulumi
    from runbook.up.sole import sole_run  # noqa: PLC0415

    progress, wanted = terminal.Progress(), Wanted(moment(to) if to else None, backup)
    if from_offsite:
        _bring_back(stack, sheet, repository, wanted, yes, progress, as_json=as_json)
        return
    with sole_run(stack):
        site = flow.Site(Stack(stack), connect(), oneshot_of(Stack(stack)))
        if discard_old:
            demand(stack, yes, ["every data directory but the one that serves is deleted"])
            gone = flow.discard_old(site, progress)
            _show(
                {"discarded": gone}, [f"discarded: {', '.join(gone) or 'nothing was kept'}"], as_json=as_json
            )
            return
        made = flow.look(site, wanted, datetime.now(UTC), progress)
        demand(stack, yes, announced(made))
        done = flow.restore(site, made, lambda: api_of(site.stack), progress)
    facts = {**flow.as_json(done), "steps": dict(progress.finished)}
    _show(facts, flow.closing_lines(done), as_json=as_json)


def _bring_back(  # noqa: PLR0913 - the options of one verb
    stack: str,
    sheet: Path | None,
    repository: str | None,
    wanted: Wanted,
    yes: str | None,
    progress: terminal.Progress,
    *,
    as_json: bool,
) -> None:
    from runbook.restore import flow, total_loss  # noqa: PLC0415 - host only: releases by pulumi
    from runbook.up.sole import sole_run  # noqa: PLC0415

    held = _read(sheet)
    if held.stack != stack:
        raise UsageError(
            f"the sheet is of stack `{held.stack}`, not of `{stack}`",
            f"the same command with --stack {held.stack}",
        )
    demand(
        stack, yes, [f"stack `{stack}` is made here, from the copy off site and the sheet of {held.made_at}"]
    )
    oneshot = OneShot(stack, image("backup"), MEMORY_MB, _mounts(stack))
    site = flow.Site(Stack(stack), connect(), total_loss.reaching(oneshot, held, repository))
    with sole_run(stack):
        done = total_loss.restore_from_offsite(
            held, site, wanted, datetime.now(UTC), lambda: api_of(site.stack), progress
        )
    facts = {**flow.as_json(done), "steps": dict(progress.finished)}
    _show(facts, flow.closing_lines(done), as_json=as_json)


def _read(sheet: Path | None) -> escrow.Sheet:
    if sheet is None:
        raise UsageError(
            "--sheet is missing: the recovery sheet opens the copy off site",
            "amas backup restore --from-offsite --sheet FILE",
        )
    try:
        return escrow.read(sheet.read_text(encoding="utf-8"))
    except OSError as reason:
        raise UsageError(f"--sheet {sheet}: {reason.strerror}") from None


def demand(stack: str, typed: str | None, shown: list[str]) -> None:
    """What would happen stands on stderr; only the stack's own name goes on."""
    sys.stderr.write("\n".join([*shown, ""]))
    if typed is None:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to ask: nothing was touched", f"the same with --yes {stack}")
        sys.stderr.write("type the stack's name to go on: ")
        sys.stderr.flush()
        typed = sys.stdin.readline().strip()
    if typed != stack:
        raise UsageError(f"{typed!r} is not the name of this stack: nothing was touched")


def oneshot_of(stack: Stack) -> OneShot:
    config = stack.config()
    memory = config.get("backupMemoryMb")
    return OneShot(
        stack.name,
        image("backup"),
        int(memory.value) if memory else MEMORY_MB,
        _mounts(stack.name),
        {"AMAS_DATABASE": database_name(config)},
    )


def _mounts(stack: str) -> dict[str, str]:
    return {f"amas-{stack}-db": DATA, f"amas-{stack}-backup": KEPT}


def image(name: str) -> str:
    """By its id, from the lock."""
    try:
        return str(json.loads(places.image_lock().read_text(encoding="utf-8"))[name]["id"])
    except (OSError, ValueError, KeyError):
        raise EnvironmentMissing(
            f"there is no image `{name}` in {places.image_lock()}", "./scripts/up"
        ) from None


def _show(facts: Mapping[str, object], lines: list[str], *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(facts)
    else:
        terminal.show_lines(lines)
