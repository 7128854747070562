"""What a proof has found, and whether that is what was there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.backup import records
from runbook.backup.manifest import Content, Manifest, differences
from runbook.backup.place import Place
from runbook.errors import AmasError, CheckFailed
from runbook.portable.manifest import Table, differences_of_tables

SHOWN_REASONS = 5
# Beside the data: WAL that a restored server writes itself, and its log.
SPARE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Proof:
    """Seconds: `rto_s` from nothing to a server that answers; `rpo_s` from a commit to its copy here.

    `pitr_rows`: rows found at a moment just before the proof, by the newest WAL; it and `rpo_s` are None
    for a copy off site, which is as old as it is.
    """

    backup_id: str
    checked_at: str
    rows: int
    tables: int
    pitr_rows: int | None
    rto_s: float
    rpo_s: float | None
    took_s: float
    restored_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": True,
            "backupId": self.backup_id,
            "checkedAt": self.checked_at,
            "rows": self.rows,
            "tables": self.tables,
            "pitrRows": self.pitr_rows,
            "rtoS": round(self.rto_s, 2),
            "rpoS": None if self.rpo_s is None else round(self.rpo_s, 3),
            "tookS": round(self.took_s, 2),
            "restoredBytes": self.restored_bytes,
        }


def refuse_other_rows(what: str, expected: Content, tables: Mapping[str, Table]) -> None:
    _refuse(what, differences_of_tables(expected.tables, tables))


def refuse_differences(what: str, expected: Content, found: Content) -> None:
    _refuse(what, differences(expected, found))


def _refuse(what: str, lines: Sequence[str]) -> None:
    if lines:
        raise CheckFailed("\n".join([f"{what} is not what was there:", *lines[:SHOWN_REASONS]]), _next(lines))


def _next(lines: Sequence[str]) -> str:
    versions = any(line.startswith(("PostgreSQL is", "extension ")) for line in lines)
    return "amas outdated" if versions else "amas backup now --full"


def refuse_full_disk(free_bytes: int, cluster_bytes: int, wal_bytes: int) -> None:
    """Before anything is copied: a disk that fills half-way stops whoever else writes there."""
    needed = cluster_bytes + wal_bytes + SPARE_BYTES
    if free_bytes < needed:
        raise CheckFailed(
            f"the scratch disk is full: {free_bytes >> 20} MiB free, {needed >> 20} MiB needed for a restore",
            "df -h",
        )


def refuse_empty(manifest: Manifest) -> None:
    if not manifest.content.tables:
        raise CheckFailed("the backup holds no table at all: there is nothing to prove", "amas db size")


def failure(error: AmasError, backup_id: str | None, began: datetime) -> dict[str, Any]:
    checked_at = began.isoformat(timespec="seconds")
    return {"ok": False, "backupId": backup_id, "checkedAt": checked_at, **error.as_json()}


def has_failed(place: Place) -> bool:
    """The last one, if there was one."""
    told = records.read(place.last_proof)
    return told is not None and not told.get("ok")
