"""Makes a data directory out of a backup and all WAL there is, ready to start.

What the archive lacks is the newest: the receiver's finished segments and the one it is writing, `.partial`.
Without that one every row since the last switch of segments would be missing.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runbook.backup import wal
from runbook.backup.barman import Barman
from runbook.backup.catalog import DONE, Detail
from runbook.backup.place import Place
from runbook.errors import CheckFailed

# What earlier restores left in the settings: two targets at once stop a server, and nobody receives from
# a restored one yet.
OURS = ("recovery_", "restore_command", "synchronous_standby_names", "archive_cleanup_command")


@dataclass(frozen=True)
class Target:
    """Where recovery ends: a time, a named moment, or (both None) the end of the WAL.

    `pause` leaves it readable there and open to go on; else it becomes a server on a new timeline.
    """

    time: datetime | None = None
    mark: str | None = None
    pause: bool = False


@dataclass(frozen=True)
class Recovered:
    """What lies in the folder. `newest_segment`: the last of its WAL, the partial one included."""

    backup_id: str
    folder: str
    segments: int
    newest_segment: str
    partial: str | None


def recover(
    barman: Barman, place: Place, backup: Detail, into: Path, target: Target, tell: Callable[[], None]
) -> Recovered:
    """`into` must not exist yet. Besides, what the receiver has finished goes into the archive."""
    if backup.status != DONE:
        raise CheckFailed(f"backup {backup.id} has status {backup.status}, not {DONE}", "amas backup list")
    if into.exists():
        raise CheckFailed(f"{into} exists; a restore goes into a new folder", f"ls {into}")
    barman.archive()
    refuse_holes(place, backup)
    barman.recover(backup.id, into, tell)
    # Of an incremental backup without tablespaces Barman makes none, and the server does not start without.
    (into / "pg_tblspc").mkdir(mode=0o700, exist_ok=True)
    partial = gather_wal(place.streaming, into)
    write_target(into, target)
    segments = sorted(one.name for one in (into / "pg_wal").iterdir() if wal.SEGMENT.fullmatch(one.name))
    return Recovered(backup.id, str(into), len(segments), segments[-1], partial)


def refuse_holes(place: Place, backup: Detail) -> None:
    lost = wal.missing(held_segments(place), backup.begin_wal, backup.end_wal)
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise CheckFailed(
            f"WAL segment {lost[0]}{more} is missing: backup {backup.id} cannot be restored past it",
            "amas backup now --full",
        )


def held_segments(place: Place) -> set[str]:
    """Of the archive and of the receiver, under their final names."""
    archived = {one.name for one in place.wals.glob("*/*")}
    return archived | {one.name.removesuffix(wal.PARTIAL) for one in place.streaming.iterdir()}


def gather_wal(streaming: Path, into: Path) -> str | None:
    """All WAL into pg_wal, where the server finds it without our help; returns the partial segment's name."""
    folder, brought = into / "pg_wal", into / "barman_wal"
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in brought.iterdir():
        if file.is_file():
            file.replace(folder / file.name)
    shutil.rmtree(brought)
    moves = wal.still_streaming(
        [one.name for one in streaming.iterdir()], [one.name for one in folder.iterdir()]
    )
    for name, final in moves.items():
        shutil.copyfile(streaming / name, folder / final)
    return next((name for name in moves if name.endswith(wal.PARTIAL)), None)


def write_target(folder: Path, target: Target) -> None:
    """Asks the server for archive recovery, so that it ends on a new timeline."""
    settings = folder / "postgresql.auto.conf"
    settings.write_text(with_target(settings.read_text(encoding="utf-8"), target), encoding="utf-8")
    (folder / "recovery.signal").touch(mode=0o600)
    (folder / "standby.signal").unlink(missing_ok=True)


def forget_target(folder: Path) -> None:
    """Once it serves: a setting here would win over those of the image, and of the watchdog of sync WAL."""
    settings = folder / "postgresql.auto.conf"
    settings.write_text("\n".join([*_kept(settings.read_text(encoding="utf-8")), ""]), encoding="utf-8")


def with_target(settings: str, target: Target) -> str:
    return "\n".join([*_kept(settings), *_lines(target), ""])


def _kept(settings: str) -> list[str]:
    return [line for line in settings.splitlines() if not line.strip().startswith(OURS)]


def _lines(target: Target) -> list[str]:
    ends = []
    if target.time is not None:
        ends = [f"recovery_target_time = '{target.time.isoformat()}'"]
    elif target.mark is not None:
        ends = [f"recovery_target_name = '{target.mark}'"]
    action = ["recovery_target_action = 'pause'" if target.pause else "recovery_target_action = 'promote'"]
    return [
        # A command there must be; all there is lies in pg_wal already.
        "restore_command = '/bin/false'",
        "recovery_target_timeline = 'latest'",
        *(ends + action if ends else []),
        "synchronous_standby_names = ''",
    ]
