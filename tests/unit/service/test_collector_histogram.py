"""Merged histograms tell what the pooled one would, and that is close to the truth."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.collector.histogram import (
    LEAST_S,
    MOST_S,
    RELATIVE_ERROR,
    Buckets,
    Histogram,
    merged,
    slot_of,
    value_of,
)

PERCENTS = (1, 50, 95, 99, 100)
SECONDS = st.floats(LEAST_S, MOST_S * 0.99)
# A value that lies on a bucket's border may round to either side of it.
ROUNDING = 1e-9


def counted(values: list[float]) -> Histogram:
    buckets = Buckets()
    for value in values:
        buckets.observe(value)
    return buckets.histogram()


def nearest_rank(values: list[float], percent: int) -> float:
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


@given(st.lists(st.lists(SECONDS, max_size=30), min_size=1, max_size=6))
def test_percentiles_of_any_split_equal_those_of_all_pooled(split: list[list[float]]) -> None:
    pooled = [value for part in split for value in part]
    together, apart = counted(pooled), merged(counted(part) for part in split)
    assert apart == together
    assert [apart.percentile(p) for p in PERCENTS] == [together.percentile(p) for p in PERCENTS]
    if pooled:
        for percent in PERCENTS:
            true = nearest_rank(pooled, percent)
            told = apart.percentile(percent)
            assert told is not None
            assert abs(told - true) <= true * (RELATIVE_ERROR + ROUNDING)


@given(st.lists(SECONDS, max_size=50))
def test_encoding_and_back_changes_nothing(values: list[float]) -> None:
    histogram = counted(values)
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(histogram), type=Histogram) == histogram


@given(SECONDS)
def test_a_slot_stands_for_values_close_to_it(value: float) -> None:
    assert abs(value_of(slot_of(value)) - value) <= value * (RELATIVE_ERROR + ROUNDING)


@given(st.lists(SECONDS), SECONDS)
def test_over_counts_as_observing_does(values: list[float], limit: float) -> None:
    assert counted(values).over(limit) == sum(slot_of(value) > slot_of(limit) for value in values)


@pytest.mark.parametrize(("value", "told"), [(0.0, LEAST_S), (-1.0, LEAST_S), (1e-9, LEAST_S), (1e9, MOST_S)])
def test_values_outside_count_as_the_nearest(value: float, told: float) -> None:
    histogram = counted([value])
    assert histogram.slots == (slot_of(value),)
    assert histogram.percentile(50) == pytest.approx(told, rel=0.05)


def test_nothing_counted_has_no_percentile() -> None:
    assert Histogram().percentile(99) is None
    assert Histogram().total == 0
    assert merged([]) == Histogram()


def test_it_travels_in_a_few_bytes() -> None:
    histogram = counted([0.001 * n for n in range(1, 1000)])
    assert len(msgspec.msgpack.encode(histogram)) < 1000
