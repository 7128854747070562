import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.growth.fit import theil_sen

NUMBERS = st.integers(-1000, 1000)


def test_no_point_is_no_line() -> None:
    assert theil_sen([]) is None


@given(level=NUMBERS, slope=NUMBERS, xs=st.lists(NUMBERS, min_size=2, max_size=20, unique=True))
def test_points_of_a_line_give_that_line_back(level: int, slope: int, xs: list[int]) -> None:
    found = theil_sen([(x, level + slope * x) for x in xs])
    assert found is not None
    assert [found.level, found.slope] == pytest.approx([level, slope])


@given(outlier=st.integers(-(10**9), 10**9), at=st.integers(0, 19))
def test_one_wild_day_in_twenty_turns_nothing(outlier: int, at: int) -> None:
    points = [(float(x), 100.0 + 3 * x) for x in range(20)]
    points[at] = (float(at), float(outlier))
    found = theil_sen(points)
    assert found is not None
    assert [found.level, found.slope] == pytest.approx([100, 3])


@given(points=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=15), shift=NUMBERS)
def test_moving_all_points_up_moves_the_line_up(points: list[tuple[int, int]], shift: int) -> None:
    low = theil_sen([(float(x), float(y)) for x, y in points])
    high = theil_sen([(float(x), float(y + shift)) for x, y in points])
    assert low is not None
    assert high is not None
    assert high.slope == pytest.approx(low.slope)
    assert high.level == pytest.approx(low.level + shift)
