"""Which backups there are, from what Barman lists; which one to restore, and what to take next. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.errors import CheckFailed

SERVER = "db"
DONE = "DONE"
FAILED = "FAILED"
WAITING = "WAITING_FOR_WALS"
INCREMENTAL = "incremental"
FULL = "full"
# An incremental backup needs every one before it, back to the full one: the chain stays short.
FULL_EVERY = timedelta(days=6, hours=12)
TAKE_ONE = "amas backup now"


@dataclass(frozen=True)
class Backup:
    """One of Barman's list. `end_at` and the sizes are known once the copy has ended."""

    id: str
    kind: str
    status: str
    end_at: datetime | None = None
    size_bytes: int = 0
    wal_bytes: int = 0


@dataclass(frozen=True)
class Detail:
    """What a restore needs to know of a backup. `parent`: what an incremental one builds upon."""

    id: str
    status: str
    timeline: int
    begin_wal: str
    end_wal: str
    end_at: datetime
    cluster_bytes: int
    parent: str | None = None


def backups_of(listed: Mapping[str, Any]) -> list[Backup]:
    """Newest first."""
    found = [_backup(one) for one in listed.get(SERVER, [])]
    return sorted(found, key=lambda one: one.id, reverse=True)


def _backup(one: Mapping[str, Any]) -> Backup:
    ended = one.get("end_time_timestamp")
    return Backup(
        id=str(one["backup_id"]),
        kind=INCREMENTAL if one.get("backup_type") == INCREMENTAL else FULL,
        status=str(one["status"]),
        end_at=datetime.fromtimestamp(int(ended), UTC) if ended else None,
        size_bytes=int(one.get("size_bytes") or 0),
        wal_bytes=int(one.get("wal_size_bytes") or 0),
    )


def detail_of(shown: Mapping[str, Any]) -> Detail:
    one = shown[SERVER]
    base = one.get("base_backup_information")
    if base is None:
        raise CheckFailed(
            f"backup {one['backup_id']} has status {one['status']}: nothing to restore", TAKE_ONE
        )
    return Detail(
        id=str(one["backup_id"]),
        status=str(one["status"]),
        timeline=int(base["timeline"]),
        begin_wal=str(base["begin_wal"]),
        end_wal=str(base["end_wal"]),
        end_at=datetime.fromtimestamp(int(base["end_time_timestamp"]), UTC),
        cluster_bytes=int(one.get("cluster_size_bytes") or base["backup_size_bytes"]),
        parent=one.get("catalog_information", {}).get("parent_backup_id"),
    )


def chosen(backups: Sequence[Backup], backup_id: str | None, until: datetime | None) -> Backup:
    """The one named, else the newest that ended before a moment; only a DONE one has all the WAL it needs."""
    if backup_id is not None:
        named = next((one for one in backups if one.id == backup_id), None)
        if named is None:
            raise CheckFailed(f"there is no backup {backup_id}", "amas backup list")
        if named.status != DONE:
            raise CheckFailed(f"backup {named.id} has status {named.status}, not {DONE}", "amas backup list")
        if until is not None and named.end_at is not None and named.end_at > until:
            raise CheckFailed(
                f"backup {named.id} ended at {named.end_at:%F %T}Z, after {until:%F %T}Z", "amas backup list"
            )
        return named
    fit = [one for one in backups if one.status == DONE and one.end_at is not None]
    if until is not None:
        fit = [one for one in fit if one.end_at is not None and one.end_at <= until]
    if not fit:
        raise CheckFailed(_none_fits(backups, until), TAKE_ONE)
    return fit[0]


def _none_fits(backups: Sequence[Backup], until: datetime | None) -> str:
    if not backups:
        return "there is no backup yet"
    when = f" that ended before {until:%F %T}Z" if until else ""
    found = ", ".join(f"{one.id} {one.status}" for one in backups[:3])
    return f"no backup is {DONE}{when}; the newest: {found}"


def parent_of_next(backups: Sequence[Backup], now: datetime, *, trusted: bool) -> str | None:
    """What the next backup builds upon: the newest one, or None for a full one.

    Without trust in what is there (the last proof has failed), nothing is built upon it.
    """
    done = [one for one in backups if one.status == DONE and one.end_at is not None]
    full = next((one for one in done if one.kind == FULL), None)
    if not trusted or full is None or full.end_at is None or now - full.end_at > FULL_EVERY:
        return None
    return done[0].id
