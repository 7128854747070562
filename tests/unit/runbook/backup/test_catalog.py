"""Which backup is restored, and what the next one builds upon."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.backup.catalog import (
    DONE,
    FULL,
    FULL_EVERY,
    INCREMENTAL,
    Backup,
    backups_of,
    chosen,
    detail_of,
    parent_of_next,
)
from runbook.errors import CheckFailed

NOW = datetime(2026, 1, 8, 1, 15, tzinfo=UTC)
LISTED: dict[str, Any] = {
    "db": [
        {
            "backup_id": "20260101T011500",
            "backup_type": "full",
            "end_time_timestamp": "1767230130",
            "size_bytes": 33431309,
            "status": "DONE",
            "wal_size_bytes": 636371,
        },
        {"backup_id": "20260103T011500", "backup_type": "incremental", "status": "STARTED"},
        {
            "backup_id": "20260102T011500",
            "backup_type": "incremental",
            "end_time_timestamp": "1767316530",
            "size_bytes": 5861875,
            "status": "WAITING_FOR_WALS",
            "wal_size_bytes": 0,
        },
    ]
}
SHOWN: dict[str, Any] = {
    "db": {
        "backup_id": "20260102T011500",
        "status": "DONE",
        "base_backup_information": {
            "backup_size_bytes": 5828739,
            "timeline": 1,
            "begin_wal": "000000010000000000000007",
            "end_wal": "000000010000000000000008",
            "end_time_timestamp": "1767316530",
        },
        "catalog_information": {"parent_backup_id": "20260101T011500"},
        "cluster_size_bytes": 34318440,
    }
}


def backup(day: int, kind: str = FULL, status: str = DONE) -> Backup:
    end_at = datetime(2026, 1, day, 1, 16, tzinfo=UTC)
    return Backup(f"202601{day:02d}T011500", kind, status, end_at, 1, 1)


def test_barmans_list_is_read_newest_first() -> None:
    newest, middle, oldest = backups_of(LISTED)
    assert (newest.id, newest.status, newest.end_at) == ("20260103T011500", "STARTED", None)
    assert (middle.kind, middle.status) == (INCREMENTAL, "WAITING_FOR_WALS")
    assert oldest.end_at == datetime(2026, 1, 1, 1, 15, 30, tzinfo=UTC)
    assert (oldest.kind, oldest.size_bytes, oldest.wal_bytes) == (FULL, 33431309, 636371)
    assert backups_of({}) == []


def test_detail_of_an_incremental_backup_names_what_it_builds_upon() -> None:
    found = detail_of(SHOWN)
    assert found.parent == "20260101T011500"
    assert (found.begin_wal[-1], found.end_wal[-1], found.cluster_bytes) == ("7", "8", 34318440)


def test_a_backup_without_a_copy_has_no_detail() -> None:
    with pytest.raises(CheckFailed, match="20260103T011500 has status FAILED: nothing to restore"):
        detail_of({"db": {"backup_id": "20260103T011500", "status": "FAILED"}})


def test_the_newest_done_backup_is_restored() -> None:
    newest = backup(3, INCREMENTAL, "WAITING_FOR_WALS")
    assert chosen([newest, backup(2), backup(1)], None, None) == backup(2)


def test_for_a_moment_the_last_one_that_ended_before_it() -> None:
    found = [backup(3), backup(2), backup(1)]
    assert chosen(found, None, datetime(2026, 1, 3, 1, 15, 59, tzinfo=UTC)) == backup(2)
    assert chosen(found, None, datetime(2026, 1, 3, 1, 16, tzinfo=UTC)) == backup(3)


@pytest.mark.parametrize(
    ("found", "backup_id", "until", "said"),
    [
        ([], None, None, "there is no backup yet"),
        (
            [backup(2, status="WAITING_FOR_WALS")],
            None,
            None,
            "no backup is DONE; the newest: 20260102T011500",
        ),
        ([backup(2)], None, datetime(2026, 1, 1, tzinfo=UTC), "DONE that ended before 2026-01-01 00:00:00Z"),
        ([backup(2)], "20250101T000000", None, "there is no backup 20250101T000000"),
        ([backup(2, status="FAILED")], "20260102T011500", None, "has status FAILED, not DONE"),
        (
            [backup(2)],
            "20260102T011500",
            datetime(2026, 1, 1, tzinfo=UTC),
            "ended at 2026-01-02 01:16:00Z, after",
        ),
    ],
)
def test_no_fitting_backup_is_told_with_the_reason(
    found: list[Backup], backup_id: str | None, until: datetime | None, said: str
) -> None:
    with pytest.raises(CheckFailed, match=said):
        chosen(found, backup_id, until)


def test_between_two_full_backups_each_builds_upon_the_one_before() -> None:
    week = [backup(3, INCREMENTAL), backup(2, INCREMENTAL), backup(1)]
    assert parent_of_next(week, datetime(2026, 1, 4, 1, 15, tzinfo=UTC), trusted=True) == week[0].id


def test_a_full_one_every_seventh_day_at_the_same_hour() -> None:
    week = [backup(day, INCREMENTAL) for day in range(7, 1, -1)] + [backup(1)]
    assert parent_of_next(week, datetime(2026, 1, 7, 1, 15, tzinfo=UTC), trusted=True) == week[0].id
    assert parent_of_next(week, NOW, trusted=True) is None


def test_nothing_is_built_upon_what_a_proof_has_failed_on() -> None:
    assert parent_of_next([backup(7)], NOW, trusted=True) == backup(7).id
    assert parent_of_next([backup(7)], NOW, trusted=False) is None


def test_nothing_is_built_upon_a_copy_whose_wal_has_not_come() -> None:
    waiting = backup(7, INCREMENTAL, "WAITING_FOR_WALS")
    assert parent_of_next([waiting, backup(6)], NOW, trusted=True) == backup(6).id
    assert parent_of_next([replace(backup(7), status="FAILED")], NOW, trusted=True) is None


days = st.lists(
    st.tuples(st.integers(1, 28), st.sampled_from([FULL, INCREMENTAL]), st.sampled_from([DONE, "FAILED"])),
    unique_by=lambda one: one[0],
)


@given(days, st.integers(1, 28))
def test_whatever_there_is_only_done_ones_are_chosen_or_built_upon(
    found: list[tuple[int, str, str]], today: int
) -> None:
    backups = sorted((backup(*one) for one in found), key=lambda one: one.id, reverse=True)
    now = datetime(2026, 1, today, 1, 15, tzinfo=UTC)
    done = {one.id: one for one in backups if one.status == DONE}
    parent = parent_of_next(backups, now, trusted=True)
    if parent is not None:
        full = [one.end_at for one in done.values() if one.kind == FULL and one.end_at]
        assert parent in done
        assert now - max(full) <= FULL_EVERY
    if done:
        assert chosen(backups, None, None).id == max(done)
        assert chosen(backups, None, NOW + timedelta(days=60)).id == max(done)
