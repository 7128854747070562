"""`amas backup`: the verbs about copies of the whole database, run where the copies lie."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from runbook import checks, terminal
from runbook.backup import listing, offsite, place, prove, recover, restic, status, take, verify
from runbook.backup.barman import Barman
from runbook.backup.catalog import chosen
from runbook.backup.place import Place
from runbook.engine import connect, pass_through, require_part
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.options import AsJson, StackName
from runbook.terminal import Progress

PART = "backup"

BackupId = Annotated[str | None, typer.Option("--backup", metavar="ID", help="Default: the newest.")]
LimitS = Annotated[float, typer.Option("--limit-s", min=1, help="Seconds after which it is ended.")]


def now(
    stack: StackName,
    full: Annotated[bool, typer.Option("--full", help="All of it, not only what has changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the database, and wait until the copy counts. Runs on the host and in the backup container.

    Every week a full copy, between two of them what has changed; with the figures that a restore
    is compared with.
    """
    where = inside(stack)
    done = take.back_up(Barman(), where, datetime.now(UTC), Progress(), full=full)
    _show(done.as_json(), lambda: terminal.show_lines(take.closing_lines(done)), as_json=as_json)


def show_list(stack: StackName, as_json: AsJson = False) -> None:
    """Which backups there are. Runs on the host and in the backup container."""
    inside(stack)
    found = Barman().backups()
    _show(
        {"backups": [listing.as_json(one) for one in found]},
        lambda: terminal.show_table(listing.COLUMNS, [listing.cells(one) for one in found]),
        as_json=as_json,
    )


def check(stack: StackName, backup: BackupId = None, as_json: AsJson = False) -> None:
    """Look at every file and WAL segment of a backup, and at Barman's own checks.

    Runs on the host and in the backup container. Exits with 1 when something is not as it was.
    """
    where, barman, progress = inside(stack), Barman(), Progress()
    one = barman.detail(chosen(barman.backups(), backup, None).id)
    with progress.step(f"verify the files of {one.id}"):
        copies = verify.verify(barman, where, one)
    with progress.step("barman check"):
        failed = barman.failed_checks()
    if failed:
        told = "; ".join(f"{name}: {hint}" if hint else name for name, hint in failed.items())
        raise CheckFailed(f"barman check: {told}", "amas backup status")
    facts = {"ok": True, "backupId": one.id, "copies": copies}
    _show(facts, lambda: terminal.show_lines([listing.whole_line(one.id, copies)]), as_json=as_json)


def proof(
    stack: StackName,
    backup: BackupId = None,
    from_offsite: Annotated[
        bool, typer.Option("--from-offsite", help="Bring it back from the copy off site first.")
    ] = False,
    limit_s: LimitS = prove.LIMIT_S,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into a scratch server and compare it. Runs on the host and in the backup container.

    Looks at the moment of its manifest and at one just before the proof; measures how long a restore
    takes and how old the newest copy is. Exits with 1 when anything differs.
    """
    proven = prove.prove_offsite if from_offsite else prove.prove
    facts = proven(Barman(), inside(stack), backup, limit_s, Progress())
    _show(facts, lambda: terminal.show_lines(listing.proof_lines(facts)), as_json=as_json)


def copy_offsite(stack: StackName, as_json: AsJson = False) -> None:
    """Bring the encrypted copy off site up to date, and check it.

    Runs on the host and in the backup container.
    What is past its retention is forgotten there too, and a part of the content is read back each time.
    """
    where = inside(stack)
    done = offsite.copy(Barman(), where, restic.of(where), datetime.now(UTC), Progress())
    _show(done.as_json(), lambda: terminal.show_lines(offsite.closing_lines(done)), as_json=as_json)


def standing(stack: StackName, as_json: AsJson = False) -> None:
    """Ages of backup, proof and copy off site, and how WAL comes in.

    Runs on the host and in the backup container.
    Exits with 1 when something is late or failed.
    """
    seen = status.look(Barman(), inside(stack))
    found = status.judge(seen, datetime.now(UTC))
    facts = {
        "ok": checks.passed(found),
        "checks": [asdict(one) for one in found],
        "proof": seen.proof,
        "offsite": seen.offsite,
        "offsiteProof": seen.offsite_proof,
        "slot": seen.slot,
    }
    rows = [[one.name, one.state, one.value or "-", one.reason or one.target] for one in found]
    _show(facts, lambda: terminal.show_table(["check", "state", "value", "target"], rows), as_json=as_json)
    if not checks.passed(found):
        raise typer.Exit(CheckFailed.exit_code)


def upkeep(stack: StackName, as_json: AsJson = False) -> None:
    """Archive WAL, prune by the retention. Runs each minute in the backup container."""
    inside(stack)
    Barman().upkeep()
    _show({"ok": True}, lambda: None, as_json=as_json)


def restore_into(
    into: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    backup: BackupId = None,
    to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"], help="UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a data directory of a backup, ready to start. Runs in the backup container only."""
    where, barman = place.here(), Barman()
    if where is None:
        raise EnvironmentMissing("this verb runs in the backup container", "amas backup restore --help")
    until = to and (to if to.tzinfo else to.replace(tzinfo=UTC))
    one = barman.detail(chosen(barman.backups(), backup, until).id)
    done = recover.recover(barman, where, one, into, recover.Target(time=until), lambda: None)
    facts = {
        "backupId": done.backup_id,
        "folder": done.folder,
        "segments": done.segments,
        "newestSegment": done.newest_segment,
        "partial": done.partial,
    }
    _show(
        facts,
        lambda: terminal.show_lines([f"{key}  {value}" for key, value in facts.items()]),
        as_json=as_json,
    )


def inside(stack: str) -> Place:
    """Where the copies lie; from the host, the same words are said again in the stack's backup container."""
    where = place.here()
    if where is None:
        raise typer.Exit(_elsewhere(stack))
    return where


def _elsewhere(stack: str) -> int:
    container = require_part(connect(), stack, PART)
    words = sys.argv[1:]
    if not words or words[0] != "backup":
        raise UsageError("only `amas backup` goes into the container", "amas backup --help")
    return pass_through(container, ["amas-backup", "amas", *words])


def _show(facts: dict[str, Any], show: Callable[[], None], *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(facts)
    else:
        show()
