"""`amas backup export`: one moment of the whole database, with its figures, in one file."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runbook.portable import archive
from runbook.portable.manifest import Manifest, facts_of
from runbook.portable.pace import Pace
from runbook.portable.server import Server, Snapshot
from runbook.terminal import Progress, size

TOLD_EVERY_S = 5.0


@dataclass(frozen=True)
class Exported:
    """What stands in the file."""

    file: str
    size_bytes: int
    rows: int
    decisions: int
    newest: str | None


def export(server: Server, stack: str, file: Path, now: datetime, progress: Progress) -> Exported:
    """Figures and dump are of the same moment, so the figures must come back exactly."""
    archive.refuse_existing(file)
    with server.snapshot() as snapshot:
        with progress.step("count"):
            (name,) = snapshot.lines("snapshot.sql")
            manifest = _counted(snapshot, stack, server.database, now)
            progress.say(f"{manifest.facts.rows:,} rows, {size(manifest.facts.size_bytes)} in the database")
        with progress.step("dump"):
            _dump(server, name, file, manifest, progress)
    with progress.step("check the file"):
        archive.checked(file)
    facts = manifest.facts
    newest = facts.tables.get("public.decision_insights")
    return Exported(
        str(file), file.stat().st_size, facts.rows, facts.decisions, newest.newest if newest else None
    )


def closing_lines(done: Exported) -> list[str]:
    return [
        f"{done.file}  {size(done.size_bytes)}, {done.rows:,} rows, {done.decisions:,} of decisions",
        f"newest decision  {done.newest or 'none'}",
        "It holds what people did, and no password. Keep it where only you read it.",
        f"next   amas backup import {done.file} --stack ANOTHER",
    ]


def _counted(snapshot: Snapshot, stack: str, database: str, now: datetime) -> Manifest:
    facts = facts_of(snapshot.lines("facts.sql", "figures.sql"))
    return Manifest(now.isoformat(timespec="seconds"), stack, database, facts)


def _dump(server: Server, snapshot: str, file: Path, manifest: Manifest, progress: Progress) -> None:
    pace = Pace(manifest.facts.relations, time.monotonic())
    try:
        with archive.writing(file, manifest) as dump:
            server.dumped(snapshot, dump, pace.hear, telling(pace, server, progress))
    except BaseException:
        server.end_sessions()
        raise


def telling(pace: Pace, server: Server, progress: Progress) -> Callable[[int], None]:
    """Called for each piece that has moved; a line every few seconds."""
    last = pace.begun_at_s

    def moved(size_bytes: int) -> None:
        nonlocal last
        pace.size_bytes += size_bytes
        if time.monotonic() - last < TOLD_EVERY_S:
            return
        (rows,) = server.lines("copied_rows.sql", database="postgres")
        progress.say(pace.told(time.monotonic(), int(rows)))
        last = time.monotonic()

    return moved
