"""`amas backup status`: how old copies and proof are, and whether WAL comes in. Pure but for `look`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.backup import mark, records
from runbook.backup.barman import Barman
from runbook.backup.catalog import DONE, Backup
from runbook.backup.place import Place
from runbook.checks import Check
from runbook.errors import AmasError
from runbook.sql_session import Row
from runbook.terminal import seconds, size

SECTION = "7.4"
# Each runs once a day, and may be late by as long as it lasts.
LATE_AFTER = timedelta(hours=26)
REPLY_LATE_AFTER_S = 30.0


@dataclass(frozen=True)
class Seen:
    """`slot` is None when there is none, and the reason as text when the database did not say."""

    backups: list[Backup]
    proof: Mapping[str, Any] | None
    offsite: Mapping[str, Any] | None
    offsite_proof: Mapping[str, Any] | None
    slot: Row | str | None
    free_bytes: int


def look(barman: Barman, place: Place) -> Seen:
    return Seen(
        backups=barman.backups(),
        proof=records.read(place.last_proof),
        offsite=records.read(place.last_offsite),
        offsite_proof=records.read(place.last_offsite_proof),
        slot=_slot(),
        free_bytes=shutil.disk_usage(place.home).free,
    )


def _slot() -> Row | str | None:
    try:
        with mark.live() as session:
            return next(iter(session.rows("backup_slot")), None)
    except AmasError as reason:
        return reason.message


def judge(seen: Seen, now: datetime) -> list[Check]:
    return [
        _newest(seen.backups, now),
        _recorded("restore proof", seen.proof, "checkedAt", now, missing="failed"),
        _recorded("copy off site", seen.offsite, "at", now, missing="unknown"),
        _receiver(seen.slot),
        _slot_kept(seen.slot),
        _disk(seen),
    ]


def _newest(backups: list[Backup], now: datetime) -> Check:
    name, target = "newest backup", f"< {seconds(LATE_AFTER.total_seconds())}"
    ended = [one.end_at for one in backups if one.status == DONE and one.end_at]
    if not ended:
        return Check(name, SECTION, "failed", "none", target, "next: amas backup now")
    age = now - max(ended)
    return Check(name, SECTION, _state(age < LATE_AFTER), _age(age), target)


def _recorded(
    name: str, facts: Mapping[str, Any] | None, stamp: str, now: datetime, *, missing: str
) -> Check:
    target = f"ok, < {seconds(LATE_AFTER.total_seconds())}"
    if facts is None:
        return Check(name, SECTION, missing, "never", target)
    age = now - datetime.fromisoformat(str(facts[stamp])).astimezone(UTC)
    if not facts["ok"]:
        return Check(name, SECTION, "failed", _age(age), target, str(facts.get("error", "")).splitlines()[0])
    return Check(name, SECTION, _state(age < LATE_AFTER), _age(age), target)


def _receiver(slot: Row | str | None) -> Check:
    name, target = "WAL receiver", "streams"
    if slot is None or isinstance(slot, str):
        return Check(name, SECTION, "failed", "no answer", target, slot or "there is no replication slot")
    if slot["state"] != "streaming":
        return Check(name, SECTION, "failed", str(slot["state"] or "away"), target)
    late = (slot["reply_age_s"] or 0.0) > REPLY_LATE_AFTER_S
    value = f"{slot['sync_state']}, {size(max(0, slot['lag_bytes'] or 0))} behind"
    return Check(name, SECTION, _state(not late), value, target)


def _slot_kept(slot: Row | str | None) -> Check:
    name, target = "replication slot", "keeps its WAL"
    if slot is None or isinstance(slot, str):
        return Check(name, SECTION, "unknown", "", target)
    kept = slot["wal_status"] in {"reserved", "extended"}
    return Check(
        name, SECTION, _state(kept), f"{slot['wal_status']}, {size(slot['retained_bytes'] or 0)}", target
    )


def _disk(seen: Seen) -> Check:
    """A proof needs room for all of the newest one."""
    needed = max((one.size_bytes for one in seen.backups), default=0)
    return Check(
        "scratch disk",
        SECTION,
        _state(seen.free_bytes > needed),
        f"{size(seen.free_bytes)} free",
        f"> {size(needed)}",
    )


def _state(good: bool) -> str:
    return "ok" if good else "failed"


def _age(age: timedelta) -> str:
    return f"{seconds(max(0.0, age.total_seconds()))} ago"
