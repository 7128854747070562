"""A backup counts when all its WAL is here, on a database that is busy and on one that is idle."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from runbook.backup import mark, records, take
from runbook.backup.barman import Barman
from runbook.backup.catalog import DONE, FAILED, FULL, INCREMENTAL, Backup, Detail
from runbook.backup.manifest import Content, Manifest, Newest
from runbook.backup.place import Place
from runbook.errors import CheckFailed
from runbook.portable.manifest import Table
from runbook.terminal import Progress

NOW = datetime(2026, 1, 2, 1, 15, tzinfo=UTC)
FULL_ONE = Backup("20260101T011500", FULL, DONE, datetime(2026, 1, 1, 1, 16, tzinfo=UTC), 1000, 0)
MANIFEST = Manifest(
    "amas_1", "0/1", "2026-01-02", Content("17", {}, 20, 1, "0", {"public.a": Table(7)}, Newest(0, None))
)


@dataclass
class Twin:
    """A Barman whose newest backup waits for WAL until a segment has been closed so many times."""

    held: list[Backup] = field(default_factory=list)
    closes_needed: int = 1
    refuses_incremental: bool = False
    ends_as: str = DONE
    did: list[str] = field(default_factory=list)

    def backups(self) -> list[Backup]:
        return self.held

    def detail(self, backup_id: str) -> Detail:
        return Detail(backup_id, DONE, 1, "1" * 24, "2" * 24, NOW, 1000)

    def take(self, parent: str | None, _tell: object) -> str:
        self.did.append(f"take upon {parent}")
        if parent and self.refuses_incremental:
            raise CheckFailed("WAL summaries are required")
        new = Backup("20260102T011500", INCREMENTAL if parent else FULL, "WAITING_FOR_WALS", NOW, 10, 0)
        self.held = [new, *self.held]
        return new.id

    def switch_wal(self) -> None:
        self.did.append("switch")
        self.closes_needed -= 1

    def settle(self, backup_id: str) -> None:
        if self.closes_needed <= 0:
            self.held = [self._settled(one) if one.id == backup_id else one for one in self.held]

    def _settled(self, one: Backup) -> Backup:
        return Backup(one.id, one.kind, self.ends_as, one.end_at, one.size_bytes, one.wal_bytes)

    def delete(self, backup_id: str) -> None:
        self.held = [one for one in self.held if one.id != backup_id]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    def taken(open_session: object, name: str) -> Manifest:
        return MANIFEST

    monkeypatch.setattr(mark, "taken", taken)
    place = Place(tmp_path)
    (place.wals / "0000000100000000").mkdir(parents=True)
    (place.wals / "0000000100000000" / "000000010000000000000001").touch()
    return place


def back_up(twin: Twin, place: Place, **options: bool) -> take.Taken:
    return take.back_up(cast("Barman", twin), place, NOW, Progress(), **options)


def test_the_next_one_builds_upon_the_newest_and_has_its_manifest(place: Place) -> None:
    twin = Twin([FULL_ONE])
    done = back_up(twin, place)
    assert twin.did == [f"take upon {FULL_ONE.id}", "switch"]
    assert done.as_json() == {
        "backupId": "20260102T011500",
        "kind": INCREMENTAL,
        "sizeBytes": 10,
        "endTime": NOW.isoformat(),
        "walEnd": "2" * 24,
        "rows": 7,
        "mark": "amas_1",
    }
    told: dict[str, Any] | None = records.read(place.manifests / "20260102T011500.json")
    assert told
    assert told["mark"] == "amas_1"


def test_an_idle_database_is_made_to_close_segments_until_the_copy_counts(place: Place) -> None:
    twin = Twin([FULL_ONE], closes_needed=3)
    assert back_up(twin, place).backup.status == DONE
    assert twin.did.count("switch") == 3


def test_the_very_first_one_has_a_segment_archived_before_it(place: Place) -> None:
    (place.wals / "0000000100000000" / "000000010000000000000001").unlink()
    twin = Twin(closes_needed=2)
    back_up(twin, place)
    assert twin.did == ["switch", "take upon None", "switch"]


def test_a_server_that_cannot_build_upon_it_gets_a_full_copy(place: Place) -> None:
    twin = Twin([FULL_ONE], refuses_incremental=True)
    assert back_up(twin, place).backup.kind == FULL
    assert twin.did[:2] == [f"take upon {FULL_ONE.id}", "take upon None"]


def test_full_is_full_and_a_failed_proof_asks_for_it(place: Place) -> None:
    assert back_up(Twin([FULL_ONE]), place, full=True).backup.kind == FULL
    records.write(place.last_proof, {"ok": False})
    assert back_up(Twin([FULL_ONE]), place).backup.kind == FULL
    records.write(place.last_proof, {"ok": True})
    assert back_up(Twin([FULL_ONE]), place).backup.kind == INCREMENTAL


def test_a_copy_whose_wal_is_lost_is_told_at_once(place: Place) -> None:
    with pytest.raises(CheckFailed, match="20260102T011500 has status FAILED"):
        back_up(Twin([FULL_ONE], ends_as=FAILED), place)


def test_a_copy_whose_wal_does_not_come_is_told_in_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "DONE_WITHIN_S", 0)
    with pytest.raises(CheckFailed, match="has status WAITING_FOR_WALS: the WAL it needs has not come"):
        back_up(Twin([FULL_ONE], closes_needed=99), place)


def test_copies_that_came_to_nothing_and_manifests_of_what_is_gone_are_forgotten(place: Place) -> None:
    failed = Backup("20251231T011500", FULL, FAILED)
    killed = Backup("20251230T011500", FULL, "STARTED")
    waiting = Backup("20251229T011500", FULL, "WAITING_FOR_WALS")
    records.write(place.manifests / "20251130T011500.json", {})
    twin = Twin([FULL_ONE, failed, killed, waiting])
    back_up(twin, place)
    assert [one.id for one in twin.held] == ["20260102T011500", FULL_ONE.id, waiting.id]
    assert [one.stem for one in place.manifests.glob("*.json")] == ["20260102T011500"]
