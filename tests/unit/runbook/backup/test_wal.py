"""Segments in a row: holes are found, and what only the receiver holds is brought along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.backup import wal

places = st.integers(0, 2**40 - 1)
timelines = st.integers(1, 2**31)


def segments(*numbers: int, timeline: int = 1) -> list[str]:
    return [wal.name(timeline, one) for one in numbers]


@given(timelines, places)
def test_a_name_is_its_place_on_a_timeline(timeline: int, place: int) -> None:
    name = wal.name(timeline, place)
    assert wal.SEGMENT.fullmatch(name)
    assert wal.number(name) == place
    assert name.startswith(f"{timeline:08X}")


def test_after_the_last_segment_of_an_id_comes_the_first_of_the_next() -> None:
    assert wal.name(1, wal.number("0000000100000000000000FF") + 1) == "000000010000000100000000"


def test_a_hole_is_missing_wherever_it_is() -> None:
    held = segments(5, 6, 8, 9)
    assert wal.missing(held, *segments(5, 6)) == segments(7)
    assert wal.missing(held, *segments(4, 6)) == segments(4, 7)
    assert wal.missing(held, *segments(8, 9)) == []


def test_what_a_backup_ends_with_must_be_there() -> None:
    assert wal.missing(segments(5), *segments(5, 7)) == segments(6, 7)


def test_older_segments_and_other_files_do_not_count() -> None:
    held = ["00000002.history", "db-xlog.db", *segments(5, 6)]
    assert wal.missing(held, *segments(5, 6)) == []
    assert wal.missing(segments(1, 2), *segments(5, 5)) == segments(5)


def test_a_fork_of_timelines_is_no_hole() -> None:
    held = [*segments(5, 6), *segments(6, 7, timeline=2)]
    assert wal.missing(held, *segments(5, 6)) == []


@given(st.sets(st.integers(0, 600), min_size=1), st.integers(0, 600), st.integers(0, 20))
def test_nothing_is_missing_only_if_every_segment_is_there(held: set[int], begin: int, length: int) -> None:
    end = begin + length
    lost = wal.missing(segments(*held), *segments(begin, end))
    assert [wal.number(one) for one in lost] == sorted(set(range(begin, max(end, *held, end) + 1)) - held)


def test_the_partial_segment_gets_its_final_name() -> None:
    (partial,) = [f"{one}.partial" for one in segments(7)]
    assert wal.still_streaming([partial], segments(5, 6)) == {partial: segments(7)[0]}


@pytest.mark.parametrize(
    ("received", "restored"),
    [
        ([], segments(5)),
        ([f"{segments(5)[0]}.partial"], segments(5)),
        (segments(5), segments(5)),
        (["archive_status", "tmp.partial"], []),
    ],
)
def test_what_is_archived_or_no_wal_is_left_where_it_is(received: list[str], restored: list[str]) -> None:
    assert wal.still_streaming(received, restored) == {}


def test_a_finished_segment_wins_over_its_own_partial() -> None:
    (whole,) = segments(5)
    assert wal.still_streaming([f"{whole}.partial", whole, "00000002.history"], []) == {
        "00000002.history": "00000002.history",
        whole: whole,
    }
