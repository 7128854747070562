"""`amas backup now`: a copy, its manifest, and all the WAL it needs before it counts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.backup import manifest as manifests
from runbook.backup import mark, proof
from runbook.backup.barman import Barman
from runbook.backup.catalog import DONE, FAILED, FULL, INCREMENTAL, WAITING, Backup, Detail, parent_of_next
from runbook.backup.manifest import Manifest
from runbook.backup.place import Place
from runbook.errors import CheckFailed
from runbook.terminal import Progress, size

DONE_WITHIN_S = 300


@dataclass(frozen=True)
class Taken:
    """What stands now."""

    backup: Backup
    detail: Detail
    manifest: Manifest

    def as_json(self) -> dict[str, Any]:
        return {
            "backupId": self.backup.id,
            "kind": self.backup.kind,
            "sizeBytes": self.backup.size_bytes,
            "endTime": self.detail.end_at.isoformat(),
            "walEnd": self.detail.end_wal,
            "rows": self.manifest.content.rows,
            "mark": self.manifest.mark,
        }


def back_up(barman: Barman, place: Place, now: datetime, progress: Progress, *, full: bool = False) -> Taken:
    """The manifest is of a moment after the copy, so that a restore can stop at just that moment."""
    archive_first_segment(barman, place, progress)
    earlier = barman.backups()
    parent = None if full else parent_of_next(earlier, now, trusted=not proof.has_failed(place))
    with progress.step(f"copy, {f'what has changed since {parent}' if parent else 'all of it'}"):
        backup_id = _copy(barman, place, parent, progress)
    with progress.step("count what is in it"):
        manifest = mark.taken(mark.live, mark.mark_of(now))
        manifests.written(manifest, place.manifests / f"{backup_id}.json")
        progress.say(f"{manifest.content.rows:,} rows, {size(manifest.content.size_bytes)} in the database")
    with progress.step("wait for its WAL"):
        _wait_until_done(barman, backup_id, time.monotonic)
    forget(barman, place, earlier)
    own = next(one for one in barman.backups() if one.id == backup_id)
    return Taken(own, barman.detail(backup_id), manifest)


def archive_first_segment(barman: Barman, place: Place, progress: Progress) -> None:
    """Barman wants an archived segment before its first backup, and an idle database ends none by itself."""
    if any(place.wals.glob("*/*")):
        return
    with progress.step("archive a first WAL segment"):
        barman.switch_wal()


def _copy(barman: Barman, place: Place, parent: str | None, progress: Progress) -> str:
    def tell() -> None:
        newest = max(place.server.glob("base/*"), default=None)
        if newest is not None:
            progress.say(
                f"{size(sum(one.stat().st_size for one in newest.rglob('*') if one.is_file()))} so far"
            )

    if parent is None:
        return barman.take(None, tell)
    try:
        return barman.take(parent, tell)
    except CheckFailed as reason:
        # Summaries of WAL are kept for ten days, and none reaches across a restore.
        progress.say(f"nothing to build upon ({reason.message}); all of it then")
        return barman.take(None, tell)


def _wait_until_done(barman: Barman, backup_id: str, clock: Callable[[], float]) -> None:
    deadline = clock() + DONE_WITHIN_S
    while True:
        barman.switch_wal()
        barman.settle(backup_id)
        status = next((one.status for one in barman.backups() if one.id == backup_id), "gone")
        if status == DONE:
            return
        if status == FAILED or clock() > deadline:
            raise CheckFailed(
                f"backup {backup_id} has status {status}: the WAL it needs has not come", "amas backup status"
            )


def forget(barman: Barman, place: Place, earlier: list[Backup]) -> None:
    """Earlier copies that failed or were killed, and manifests of what retention took away."""
    for one in earlier:
        # Barman lets only one copy run, and that was ours.
        if one.status not in {DONE, WAITING}:
            barman.delete(one.id)
    kept = {one.id for one in barman.backups()}
    for file in place.manifests.glob("*.json"):
        if file.stem not in kept:
            file.unlink()


def closing_lines(done: Taken) -> list[str]:
    kind = {FULL: "full", INCREMENTAL: "what has changed"}[done.backup.kind]
    rows = f"{done.manifest.content.rows:,} rows"
    return [
        f"backup    {done.backup.id}  {kind}, {size(done.backup.size_bytes)}, {rows}",
        f"ended     {done.detail.end_at:%F %T}Z",
        "next      amas backup prove",
    ]
