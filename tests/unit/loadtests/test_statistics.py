"""Comparisons of few runs: no false alarms beyond what is stated, whatever order and scale."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.statistics import ALPHA, compared, p_greater

FIGURES = st.lists(st.floats(1, 1000), min_size=3, max_size=5)
PAIRS = 1_000


def runs(rng: random.Random, count: int, noise: float, middle: float = 100.0) -> list[float]:
    return [middle * rng.lognormvariate(0, noise) for _ in range(count)]


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.08, 0.15])
@pytest.mark.parametrize("count", [3, 5])
def test_false_alarms_stay_below_the_stated_level(noise: float, count: int) -> None:
    rng = random.Random(f"{noise} {count}")  # noqa: S311 - noise, not secrecy
    answers = [compared(runs(rng, count, noise), runs(rng, count, noise)).answer for _ in range(PAIRS)]
    assert answers.count("worse") <= ALPHA * PAIRS
    assert answers.count("better") <= ALPHA * PAIRS


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_a_third_more_is_noticed(noise: float) -> None:
    rng = random.Random(noise)  # noqa: S311 - noise, not secrecy
    answers = [compared(runs(rng, 3, noise), runs(rng, 3, noise, 133.0)).answer for _ in range(PAIRS)]
    assert answers.count("worse") >= 0.95 * PAIRS


def test_runs_that_differ_among_themselves_are_unclear_and_not_the_same() -> None:
    assert compared([100, 140, 60], [110, 70, 150]).answer == "unclear"


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_runs_are_unclear(count: int) -> None:
    assert compared([100.0] * count, [900.0] * count).answer == "unclear"


def test_a_change_that_does_not_matter_is_none_however_sure() -> None:
    assert compared([100, 100.1, 100.2], [104, 104.1, 104.2]).answer == "same"


def test_more_of_what_is_good_is_better() -> None:
    assert compared([100, 101, 102], [140, 141, 142], higher_is_better=True).answer == "better"
    assert compared([100, 101, 102], [140, 141, 142]).answer == "worse"


@given(FIGURES, FIGURES, st.randoms())
def test_the_order_of_runs_does_not_matter(
    before: list[float], after: list[float], rng: random.Random
) -> None:
    shuffled = rng.sample(before, len(before)), rng.sample(after, len(after))
    first, second = compared(before, after), compared(*shuffled)
    assert (first.answer, first.p) == (second.answer, second.p)


@given(FIGURES, FIGURES, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(before: list[float], after: list[float], scale: float) -> None:
    scaled = compared([scale * one for one in before], [scale * one for one in after])
    assert scaled.answer == compared(before, after).answer


@given(FIGURES, FIGURES)
def test_the_share_of_splits_is_a_probability(before: list[float], after: list[float]) -> None:
    assert 0 < p_greater(before, after) <= 1


def test_three_that_are_all_above_three_are_one_split_of_twenty() -> None:
    assert p_greater([1, 2, 3], [4, 5, 6]) == 1 / 20
