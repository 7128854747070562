from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.growth.disk import HORIZON_DAYS, Day, days_to_full, judge, whole_days
from runbook.growth.fit import Line

TODAY = date(2026, 3, 1)
MB = 1_000_000


def days(*sizes: int) -> list[Day]:
    """The last one is yesterday's."""
    return [Day(TODAY - timedelta(days=len(sizes) - place), size) for place, size in enumerate(sizes)]


def test_a_steady_week_fills_the_disk_when_it_can_take_no_further_day() -> None:
    found = judge(days(*[10 * MB] * 7), TODAY, free_bytes=45 * MB, retention_days=90)
    assert found.bytes_a_day == 10 * MB
    assert found.trend_bytes_a_day == 0
    assert found.days_to_full == 5


def test_the_retention_holds_a_steady_growth() -> None:
    found = judge(days(*[10 * MB] * 90), TODAY, free_bytes=45 * MB, retention_days=90)
    assert found.days_to_full is None
    assert found.steady_bytes == 910 * MB


def test_growing_days_fill_a_disk_that_the_retention_would_hold() -> None:
    found = judge(days(*[n * MB for n in range(62, 90)]), TODAY, free_bytes=20_000 * MB, retention_days=90)
    assert found.trend_bytes_a_day == MB
    assert found.days_to_full is not None
    assert found.steady_bytes is None


def test_today_and_days_without_a_chunk_are_seen_as_what_they_are() -> None:
    held = [Day(TODAY - timedelta(days=3), 5), Day(TODAY - timedelta(days=1), 7), Day(TODAY, 1)]
    assert [one.size_bytes for one in whole_days(held, TODAY)] == [5, 0, 7]


def test_without_a_whole_day_nothing_is_foretold() -> None:
    found = judge([Day(TODAY, 9 * MB)], TODAY, free_bytes=MB, retention_days=90)
    assert (found.days, found.bytes_a_day, found.days_to_full) == (0, 0, None)


sizes = st.lists(st.integers(0, 50 * MB), min_size=1, max_size=100)
frees = st.integers(0, 3000 * MB)


@given(sizes=sizes, free=frees, more=st.integers(0, 1000 * MB), retention=st.integers(1, 120))
def test_a_larger_disk_never_fills_earlier(sizes: list[int], free: int, more: int, retention: int) -> None:
    coming = Line(10 * MB, 0.0)
    small = days_to_full(days(*sizes), TODAY, free, retention, coming) or HORIZON_DAYS + 1
    large = days_to_full(days(*sizes), TODAY, free + more, retention, coming) or HORIZON_DAYS + 1
    assert large >= small


@given(sizes=sizes, free=frees, level=st.integers(0, 50 * MB), more=st.integers(0, 50 * MB))
def test_larger_days_never_fill_it_later(sizes: list[int], free: int, level: int, more: int) -> None:
    slow = days_to_full(days(*sizes), TODAY, free, 30, Line(level, 0.0)) or HORIZON_DAYS + 1
    fast = days_to_full(days(*sizes), TODAY, free, 30, Line(level + more, 0.0)) or HORIZON_DAYS + 1
    assert fast <= slow


@given(sizes=sizes, free=frees, retention=st.integers(1, 60), longer=st.integers(0, 60))
def test_to_keep_longer_never_fills_it_later(
    sizes: list[int], free: int, retention: int, longer: int
) -> None:
    coming = Line(20 * MB, 0.0)
    short = days_to_full(days(*sizes), TODAY, free, retention, coming) or HORIZON_DAYS + 1
    long = days_to_full(days(*sizes), TODAY, free, retention + longer, coming) or HORIZON_DAYS + 1
    assert long <= short


@pytest.mark.parametrize("retention_days", [1, 30, 90])
def test_what_has_run_in_for_the_whole_retention_needs_no_more(retention_days: int) -> None:
    held = days(*[MB] * (retention_days + 1))
    assert days_to_full(held, TODAY, MB, retention_days, Line(MB, 0.0)) is None
