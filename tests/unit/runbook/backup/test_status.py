"""Each age and each state of WAL is judged by itself; what is not known is not called well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook.backup.catalog import DONE, FULL, Backup
from runbook.backup.status import Seen, judge
from runbook.checks import passed

NOW = datetime(2026, 1, 3, 3, 0, tzinfo=UTC)
SLOT: dict[str, Any] = {
    "slot_name": "amas_barman",
    "active": True,
    "wal_status": "reserved",
    "retained_bytes": 100,
    "safe_bytes": 1 << 32,
    "state": "streaming",
    "sync_state": "sync",
    "lag_bytes": 0,
    "reply_age_s": 0.1,
}
WELL = Seen(
    backups=[Backup("20260103T011500", FULL, DONE, datetime(2026, 1, 3, 1, 16, tzinfo=UTC), 1000, 10)],
    proof={"ok": True, "checkedAt": "2026-01-03T02:45:00+00:00"},
    offsite={"ok": True, "at": "2026-01-02T04:30:00+00:00"},
    offsite_proof=None,
    slot=SLOT,
    free_bytes=1 << 30,
)


def states(seen: Seen, now: datetime = NOW) -> dict[str, str]:
    return {one.name: one.state for one in judge(seen, now) if one.state != "ok"}


def test_all_is_well() -> None:
    assert states(WELL) == {}


@pytest.mark.parametrize(
    ("seen", "name", "state"),
    [
        (replace(WELL, backups=[]), "newest backup", "failed"),
        (
            replace(WELL, backups=[replace(WELL.backups[0], status="WAITING_FOR_WALS")]),
            "newest backup",
            "failed",
        ),
        (replace(WELL, proof=None), "restore proof", "failed"),
        (
            replace(WELL, proof={"ok": False, "checkedAt": NOW.isoformat(), "error": "tampered\nmore"}),
            "restore proof",
            "failed",
        ),
        (replace(WELL, offsite=None), "copy off site", "unknown"),
        (replace(WELL, slot={**SLOT, "wal_status": "unreserved"}), "replication slot", "failed"),
        (replace(WELL, slot={**SLOT, "state": None}), "WAL receiver", "failed"),
        (replace(WELL, slot={**SLOT, "reply_age_s": 31.0}), "WAL receiver", "failed"),
        (replace(WELL, free_bytes=10), "scratch disk", "failed"),
    ],
)
def test_one_thing_that_is_not_well_is_the_one_named(seen: Seen, name: str, state: str) -> None:
    assert states(seen) == {name: state}


def test_a_database_that_does_not_answer_says_so() -> None:
    away = replace(WELL, slot="the database does not let us in")
    assert states(away) == {"WAL receiver": "failed", "replication slot": "unknown"}
    assert next(one.reason for one in judge(away, NOW) if one.name == "WAL receiver") == away.slot
    assert not passed(judge(replace(WELL, slot=None), NOW))


def test_a_day_and_two_hours_later_all_of_it_is_late() -> None:
    assert states(WELL, NOW + timedelta(hours=26)) == dict.fromkeys(
        ("newest backup", "restore proof", "copy off site"), "failed"
    )
    assert states(WELL, NOW + timedelta(hours=23)) == {"copy off site": "failed"}
