"""Where the WAL receiver goes on after a restore."""

from pathlib import Path

import pytest

from runbook.backup.place import Place
from runbook.errors import CheckFailed
from runbook.restore.receiver import all_histories, hand_over

OLD, NEW = "000000010000000000000007", "000000020000000000000005"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    for folder in (made.streaming, made.wals, made.home / "state", tmp_path / "pg_wal"):
        folder.mkdir(parents=True)
    return made


def pg_wal(place: Place, *names: str) -> Path:
    folder = place.home / "pg_wal"
    for name in names:
        (folder / name).write_text(f"of {name}")
    return folder


def test_it_goes_on_where_the_new_timeline_begins(place: Place) -> None:
    (place.streaming / f"{OLD}.partial").write_text("what came after")
    (place.streaming / OLD.replace("7", "6")).write_text("whole")
    later = NEW.replace("5", "6")
    assert hand_over(place, pg_wal(place, NEW, later, OLD, "00000002.history"), 2, "stamp") == NEW
    assert sorted(one.name for one in place.streaming.iterdir()) == [OLD.replace("7", "6"), f"{NEW}.partial"]
    assert (place.streaming / f"{NEW}.partial").read_text() == f"of {NEW}"


def test_what_it_was_writing_is_put_aside_and_not_deleted(place: Place) -> None:
    (place.streaming / f"{OLD}.partial").write_text("what came after")
    hand_over(place, pg_wal(place, NEW), 2, "stamp")
    aside = place.home / "state" / "before-restores" / "stamp" / f"{OLD}.partial"
    assert aside.read_text() == "what came after"


def test_a_server_that_is_on_no_new_timeline_is_no_restored_one(place: Place) -> None:
    with pytest.raises(CheckFailed, match="no segment of timeline 2"):
        hand_over(place, pg_wal(place, OLD), 2, "stamp")


def test_every_timeline_is_known_so_that_none_is_taken_twice(place: Place) -> None:
    (place.wals / "00000002.history").write_text("second")
    (place.streaming / "00000003.history").write_text("third")
    (place.wals / "xlog.db").write_text("no history")
    into = pg_wal(place, OLD)
    all_histories(place, into)
    assert {one.name for one in into.iterdir()} == {OLD, "00000002.history", "00000003.history"}
