"""Comparisons of few runs: no false alarms beyond what is stated, whatever order and scale."""

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import mean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import baseline, statistics
from loadtests.statistics import ALPHA, Comparison, Figure, holm, least_runs, p_greater

FIGURES = st.lists(st.floats(1, 1000), min_size=3, max_size=5)
PAIRS = 1_000


Runs = list[dict[str, Any]]
# How the figures of one run hang together: not at all, or altogether.
APART: tuple[int, ...] = (0, 1, 2)
TOGETHER = (0, 0, 0)


def compared(
    before: Sequence[float], after: Sequence[float], *, higher_is_better: bool = False
) -> Comparison:
    """One figure alone."""
    return statistics.compared([Figure(before, after, higher_is_better)])[0]


def runs(rng: random.Random, count: int, noise: float, middle: float = 100.0) -> list[float]:
    return [middle * rng.lognormvariate(0, noise) for _ in range(count)]


def series(
    rng: random.Random, count: int, noise: float, shared: tuple[int, ...], slower: float = 1.0
) -> Runs:
    """Runs as a baseline holds them, each with all the figures that are judged."""
    made = []
    for _ in range(count):
        off = runs(rng, 3, noise, 1.0)
        p95_ms, p99_ms, rate = (off[one] for one in shared)
        result = {"p95_ms": 20 * slower * p95_ms, "p99_ms": 40 * slower * p99_ms, "rate": 200 / rate}
        made.append({"verdict": "passed", "fingerprint": {}, "result": {**result, "error_share": 0.0}})
    return made


@pytest.mark.parametrize("shared", [APART, TOGETHER], ids=["apart", "together"])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.08, 0.15, 0.3])
@pytest.mark.parametrize("count", [3, 4, 6])
def test_false_alarms_stay_below_the_stated_level(count: int, noise: float, shared: tuple[int, ...]) -> None:
    """Of whole comparisons: all figures together, as a nightly run judges them."""
    rng = random.Random(f"{count} {noise} {shared}")  # noqa: S311 - noise, not secrecy
    answers = [answer_of(lambda: series(rng, count, noise, shared)) for _ in range(PAIRS)]
    assert sum("worse" in one for one in answers) <= ALPHA * PAIRS
    assert sum("better" in one for one in answers) <= ALPHA * PAIRS


def answer_of(make: Callable[[], Runs]) -> set[str]:
    return {line.answer for line in baseline.compare(make(), make()).lines}


@pytest.mark.parametrize(("noise", "slower"), [(0.01, 1.15), (0.03, 1.2), (0.03, 1.33), (0.08, 1.6)])
def test_four_runs_a_side_notice_what_stands_out_of_their_noise(noise: float, slower: float) -> None:
    rng = random.Random(f"{noise} {slower}")  # noqa: S311 - noise, not secrecy
    answers = [
        baseline.compare(series(rng, 4, noise, APART), series(rng, 4, noise, APART, slower)).answer
        for _ in range(PAIRS)
    ]
    assert answers.count("worse") >= 0.9 * PAIRS


def test_fewer_than_four_runs_a_side_are_unclear_and_told_how_many_are_needed() -> None:
    rng = random.Random(1)  # noqa: S311 - noise, not secrecy
    found = baseline.compare(series(rng, 5, 0.01, APART), series(rng, 3, 0.01, APART, 3.0))
    assert found.sentence == "unclear: needs at least 4 runs a side"
    assert found.lines[0].detail.endswith("5 against 3 runs; needs at least 4 runs a side")


@pytest.mark.parametrize(("figures", "least"), [(1, 3), (2, 4), (3, 4), (4, 5)])
def test_the_runs_needed_are_those_whose_rarest_split_is_rare_enough(figures: int, least: int) -> None:
    assert least_runs(figures) == least


def test_chances_are_corrected_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.integers(1, 6), min_size=2, max_size=8), st.integers(1, 7))
def test_splits_are_counted_as_they_are(figures: list[int], size: int) -> None:
    """By naming each one, which takes for ever with many runs."""
    before, after = figures[:-size] or figures[:1], figures[-size:]
    ranks = statistics._doubled_ranks([*before, *after])
    sums = [sum(one) for one in combinations(ranks, len(after))]
    seen = sum(ranks[len(before) :])
    assert p_greater(before, after) == pytest.approx(sum(one >= seen for one in sums) / len(sums))


def test_twenty_runs_a_side_are_compared_at_once() -> None:
    assert compared(range(100, 120), range(200, 220)).answer == "worse"


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


@given(FIGURES)
def test_the_noise_is_the_standard_deviation_of_the_mean(figures: list[float]) -> None:
    assert statistics.noise_of(figures) == pytest.approx(stdev(figures) / mean(figures), abs=1e-9)


@given(FIGURES, FIGURES)
def test_the_share_of_splits_is_a_probability(before: list[float], after: list[float]) -> None:
    assert 0 < p_greater(before, after) <= 1


def test_three_that_are_all_above_three_are_one_split_of_twenty() -> None:
    assert p_greater([1, 2, 3], [4, 5, 6]) == 1 / 20
