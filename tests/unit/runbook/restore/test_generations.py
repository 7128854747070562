"""Data directories side by side: what a restore may do to them, and what it leaves alone."""

import fcntl
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, UsageError
from runbook.restore.generations import Volume

MARKER = '{"postgres_major": "17"}\n'


@pytest.fixture
def empty(tmp_path: Path) -> Volume:
    (tmp_path / "marker").write_text(MARKER)
    (tmp_path / "volume").mkdir()
    return Volume(tmp_path / "volume", tmp_path / "marker")


@pytest.fixture
def volume(empty: Volume) -> Volume:
    """As the database's image leaves it."""
    (empty.data / "gen-1").mkdir()
    (empty.data / "current").symlink_to("gen-1")
    (empty.data / "marker.json").write_text(MARKER)
    return empty


def make(volume: Volume, generation: str) -> None:
    (volume.folder_of(generation) / "data").mkdir(parents=True)
    (volume.folder_of(generation) / "data" / "PG_VERSION").write_text("17\n")
    (volume.folder_of(generation) / "server.log").write_text("")


def test_an_empty_volume_gets_a_first_generation_and_a_marker(empty: Volume) -> None:
    assert (empty.current, empty.next_name()) == (None, "gen-1")
    make(empty, "gen-1")
    empty.switch("gen-1")
    assert empty.names() == (empty.current,) == ("gen-1",)
    assert (empty.data / "marker.json").read_text() == MARKER
    assert not empty.unfinished()


def test_a_new_one_serves_and_the_old_one_stays(volume: Volume) -> None:
    make(volume, "gen-2")
    assert volume.names() == ("gen-1",), "what is not finished is no generation"
    volume.switch("gen-2")
    assert volume.names() == ("gen-1", "gen-2")
    assert (volume.data / "current" / "PG_VERSION").read_text() == "17\n"
    volume.point_to("gen-1")
    assert volume.current == "gen-1"


def test_numbers_go_on_past_nine(volume: Volume) -> None:
    for number in range(2, 12):
        (volume.data / f"gen-{number}").mkdir()
    assert volume.next_name() == "gen-12"
    assert volume.names()[-1] == "gen-11"


def test_discarding_keeps_what_serves(volume: Volume) -> None:
    make(volume, "gen-2")
    volume.switch("gen-2")
    make(volume, "gen-3")
    assert volume.discard() == ("gen-1", ".gen-3.unfinished")
    assert volume.names() == ("gen-2",)
    assert volume.discard() == ()


def test_nothing_is_discarded_where_the_link_leads_nowhere(volume: Volume) -> None:
    (volume.data / "gen-1").rename(volume.data / "gen-2")
    assert volume.current is None
    with pytest.raises(UsageError, match="no generation that serves"):
        volume.discard()
    assert volume.names() == ("gen-2",)


def test_a_restore_that_was_cut_short_is_swept(volume: Volume) -> None:
    make(volume, "gen-2")
    volume.sweep()
    assert volume.unfinished() == ()
    assert volume.names() == ("gen-1",)


def test_a_volume_of_another_image_is_not_switched(volume: Volume) -> None:
    (volume.data / "marker.json").write_text('{"postgres_major": "16"}')
    make(volume, "gen-2")
    with pytest.raises(CheckFailed, match="was made with"):
        volume.switch("gen-2")
    assert volume.current == "gen-1"


def test_the_link_never_points_to_what_is_not_there(volume: Volume) -> None:
    with pytest.raises(UsageError, match="is not there"):
        volume.point_to("gen-9")
    assert volume.current == "gen-1"


def test_a_volume_that_a_server_uses_is_left_alone(volume: Volume) -> None:
    with (volume.data / ".lock").open("a") as server:
        fcntl.flock(server, fcntl.LOCK_EX)
        with pytest.raises(CheckFailed, match="a database server uses"), volume.held():
            pass
    with volume.held():
        pass
