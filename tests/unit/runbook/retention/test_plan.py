from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.retention.plan import Chunk, is_late, plan

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def chunk(days_ago: int) -> Chunk:
    """Its day began so many days before today's midnight."""
    start = NOW.replace(hour=0) - days_ago * DAY
    return Chunk(start, start + DAY, size_bytes=1000, about_rows=10)


def test_a_day_goes_when_all_of_it_is_old_enough() -> None:
    found = plan(NOW, [chunk(90), chunk(91), chunk(0)], days=90)
    assert found.due == [chunk(91)]
    assert found.later == [chunk(90), chunk(0)]
    assert found.drop_before == chunk(91).end
    assert found.size_bytes == 1000


def test_it_goes_exactly_when_its_end_is_as_old_as_the_retention() -> None:
    one = chunk(10)
    goes = one.goes_at(90)
    assert plan(goes, [one], 90).due == [one]
    assert plan(goes - timedelta(microseconds=1), [one], 90).due == []


def test_keys_stay_as_long_as_the_chunk_of_their_row() -> None:
    found = plan(NOW, [chunk(90)], days=90)
    assert found.keys_before == chunk(90).start
    assert found.keys_before < found.cutoff


def test_an_empty_table_has_nothing_due_and_no_age() -> None:
    found = plan(NOW, [], days=90)
    assert (found.due, found.drop_before, found.oldest_age) == ([], None, timedelta())


@pytest.mark.parametrize(("last", "late"), [(None, True), (NOW - 3 * DAY, True), (NOW - DAY, False)])
def test_it_is_late_when_days_are_due_and_nobody_came(last: datetime | None, late: bool) -> None:
    assert is_late(NOW, last, plan(NOW, [chunk(95)], 90)) is late
    assert not is_late(NOW, last, plan(NOW, [chunk(5)], 90))


@given(
    ages=st.lists(st.integers(0, 400), unique=True, max_size=40),
    days=st.integers(1, 365),
    longer=st.integers(0, 365),
)
def test_every_chunk_has_one_place_and_no_young_row_is_touched(
    ages: list[int], days: int, longer: int
) -> None:
    chunks = [chunk(age) for age in ages]
    found = plan(NOW, chunks, days)
    assert sorted([*found.due, *found.later], key=lambda one: one.end) == sorted(
        chunks, key=lambda one: one.end
    )
    assert all(NOW - one.end >= days * DAY for one in found.due)
    assert all(one.goes_at(days) > NOW for one in found.later)
    assert found.keys_before <= found.cutoff
    assert all(found.keys_before <= one.start for one in found.later)
    assert set(plan(NOW, chunks, days + longer).due) <= set(found.due)
