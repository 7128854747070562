from collections import Counter

import pytest

from runbook.traffic.load import DAY_S, HOUR_S, load_at, moments, used_until


def test_a_day_is_used_once_and_never_less_than_nothing() -> None:
    assert used_until(DAY_S) == pytest.approx(DAY_S)
    assert used_until(0) == pytest.approx(0)
    assert min(load_at(minute * 60) for minute in range(1440)) > 0


def test_the_integral_is_that_of_the_curve() -> None:
    summed = 0.0
    for minute in range(2880):
        assert used_until(minute * 60) == pytest.approx(summed, abs=1)
        summed += load_at(minute * 60 + 30) * 60


def test_evenings_are_busy_and_nights_quiet() -> None:
    assert load_at(18 * HOUR_S) > 10 * load_at(3 * HOUR_S)
    assert load_at(3 * HOUR_S) == pytest.approx(load_at(3 * HOUR_S + DAY_S))


@pytest.mark.parametrize(("start_s", "length_s"), [(0.0, DAY_S), (70_000.0, 21 * HOUR_S), (3.5, 90.0)])
def test_moments_stand_for_equal_parts_of_the_load(start_s: float, length_s: float) -> None:
    count = 2_000
    times = list(moments(count, start_s, length_s))
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= length_s
    hours = Counter(int(time_s // HOUR_S) for time_s in times)
    whole = used_until(start_s + length_s) - used_until(start_s)
    for hour in range(int(length_s // HOUR_S)):
        start = start_s + hour * HOUR_S
        due = (used_until(start + HOUR_S) - used_until(start)) / whole * count
        assert hours[hour] == pytest.approx(due, abs=2)


def test_no_traffic_has_no_moments() -> None:
    assert list(moments(0, 0, DAY_S)) == []
