"""`amas backup offsite`: what Barman holds, manifests, the stack's own state: encrypted, elsewhere."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook.backup import records
from runbook.backup.barman import Barman
from runbook.backup.catalog import SERVER, Detail
from runbook.backup.place import Place
from runbook.backup.restic import Restic
from runbook.terminal import Progress, size

DEFAULT_RETENTION = "RECOVERY WINDOW OF 14 DAYS"
# Of the content, on each run: all of it is read back about once a month.
READ_BACK = "4%"


@dataclass(frozen=True)
class Copied:
    """What restic said; `added_bytes` is what travelled."""

    at: str
    snapshot: str
    total_bytes: int
    added_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": True,
            "at": self.at,
            "snapshot": self.snapshot,
            "totalBytes": self.total_bytes,
            "addedBytes": self.added_bytes,
        }


def copy(barman: Barman, place: Place, restic: Restic, now: datetime, progress: Progress) -> Copied:
    with progress.step("open the repository"):
        if restic.ensure_repository():
            progress.say("it is new")
        restic.unlock()
    with progress.step("copy"):
        # So that as little as possible is copied while it is written.
        barman.archive()
        paths = [place.barman_home, place.home / "state", place.stack_state]
        told = restic.copy([one for one in paths if one.exists()])
        progress.say(f"{size(told['data_added'])} new of {size(told['total_bytes_processed'])}")
    with progress.step("forget what is past its retention"):
        restic.forget(os.environ.get("AMAS_RETENTION", DEFAULT_RETENTION))
    with progress.step("check, and read a part back"):
        restic.check(READ_BACK)
    done = Copied(
        now.isoformat(timespec="seconds"),
        str(told["snapshot_id"]),
        int(told["total_bytes_processed"]),
        int(told["data_added"]),
    )
    records.write(place.last_offsite, done.as_json())
    return done


def catalog_of(restic: Restic, barman: Barman, into: Path) -> tuple[Barman, Place]:
    """What the newest copy knows of its backups, as a Barman of its own sees it; no data yet."""
    restic.restore(into, [f"**/{SERVER}/base/*", f"**/{SERVER}/wals/*/*"])
    home = next(into.rglob("state/manifests")).parent.parent
    place = Place(home)
    return barman.with_settings(into / "barman.conf", {"barman_home": place.barman_home}), place


def bring_back(restic: Restic, barman: Barman, backup: Detail, into: Path) -> None:
    """One backup with those it builds upon, and all WAL."""
    needed = {one.id for one in barman.chain(backup)}
    others = [one.id for one in barman.backups() if one.id not in needed]
    restic.restore(into, [f"**/{SERVER}/base/{backup_id}" for backup_id in others])


def closing_lines(done: Copied) -> list[str]:
    return [
        f"snapshot  {done.snapshot[:8]}  {size(done.added_bytes)} new of {size(done.total_bytes)}",
        "next      amas backup prove --from-offsite",
    ]
