"""What a restore will do, or why it does not begin."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from runbook.backup.catalog import DONE, FULL, Backup
from runbook.errors import CheckFailed, UsageError
from runbook.restore.plan import Found, Wanted, announced, moment, plan

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
OLD = Backup("20260108T010000", FULL, DONE, NOW - timedelta(days=2), 1_000, 100)
NEW = Backup("20260110T010000", FULL, DONE, NOW - timedelta(hours=2), 1_000, 100)
WAITING = Backup("20260110T110000", FULL, "WAITING_FOR_WALS", NOW - timedelta(hours=1), 1_000)
FOUND = Found((WAITING, NEW, OLD), "gen-1", ("gen-1",), "gen-2", 10_000)


def test_the_newest_backup_that_counts_is_taken() -> None:
    made = plan("local", Wanted(), FOUND, NOW)
    assert (made.backup, made.generation, made.kept, made.needs_bytes) == (NEW, "gen-2", "gen-1", 1_210)


def test_for_a_moment_one_that_ended_before_it() -> None:
    assert plan("local", Wanted(NOW - timedelta(hours=3)), FOUND, NOW).backup == OLD


def test_a_moment_still_to_come_is_refused() -> None:
    with pytest.raises(UsageError, match="is still to come"):
        plan("local", Wanted(NOW + timedelta(seconds=1)), FOUND, NOW)


def test_a_backup_whose_wal_is_not_here_is_never_restored() -> None:
    with pytest.raises(CheckFailed, match="status WAITING_FOR_WALS"):
        plan("local", Wanted(backup_id=WAITING.id), FOUND, NOW)
    with pytest.raises(CheckFailed, match="no backup is DONE"):
        plan("local", Wanted(), replace(FOUND, backups=(WAITING,)), NOW)


def test_too_small_a_disk_is_told_before_anything_stops() -> None:
    with pytest.raises(CheckFailed, match=r"needs about 1\.2 kB, 1\.0 kB are free") as told:
        plan("local", Wanted(), replace(FOUND, free_bytes=1_000), NOW)
    assert told.value.next_command is None
    kept = replace(FOUND, free_bytes=1_000, generations=("gen-1", "gen-2"))
    with pytest.raises(CheckFailed) as told:
        plan("local", Wanted(), kept, NOW)
    assert told.value.next_command == "amas backup restore --discard-old --stack local"


def test_an_empty_volume_keeps_nothing() -> None:
    made = plan("local", Wanted(), replace(FOUND, current=None, generations=(), next_generation="gen-1"), NOW)
    assert made.kept is None
    assert "none to keep" in "\n".join(announced(made))


def test_what_would_be_lost_is_said_before_the_question() -> None:
    to = NOW - timedelta(hours=1)
    assert f"EVERYTHING STORED AFTER {to:%FT%TZ}" in "\n".join(
        announced(plan("local", Wanted(to), FOUND, NOW))
    )
    assert "with sync, none" in "\n".join(announced(plan("local", Wanted(), FOUND, NOW)))


@pytest.mark.parametrize(
    "text", ["2026-01-10T12:00:00Z", "2026-01-10T13:00:00+01:00", "2026-01-10 12:00+00:00"]
)
def test_a_moment_has_an_offset(text: str) -> None:
    assert moment(text) == NOW


@pytest.mark.parametrize("text", ["2026-01-10T12:00:00", "yesterday", ""])
def test_a_moment_that_could_be_two_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a time with its offset"):
        moment(text)


def test_what_the_container_tells_is_read_back() -> None:
    told = {
        "backups": [
            {**asdict(one), "end_at": one.end_at.isoformat() if one.end_at else None} for one in FOUND.backups
        ],
        "current": "gen-1",
        "generations": ["gen-1"],
        "nextGeneration": "gen-2",
        "freeBytes": 10_000,
    }
    assert Found.of(told) == FOUND
