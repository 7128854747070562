"""Two small groups of figures compared: exact, the same every time, whatever their order and scale. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median, stdev
from typing import Literal

Answer = Literal["better", "same", "worse", "unclear"]

# False alarms of one figure: at most so many of comparisons in which nothing has changed.
ALPHA = 0.05
# Less does not matter, however surely it is there.
LEAST_CHANGE = 0.10
# Above, the runs differ among themselves too much to tell a small change.
MOST_NOISE = 0.10
# With fewer, no split of the runs is rare enough.
LEAST_RUNS = 3


@dataclass(frozen=True)
class Comparison:
    """One figure of two groups; `change` is relative to the first, or absolute where `floor` says so."""

    answer: Answer
    change: float
    p: float
    noise: float


def compared(
    before: Sequence[float], after: Sequence[float], *, higher_is_better: bool = False
) -> Comparison:
    """Worse or better needs both: a change that matters, and one that chance seldom makes."""
    middle = median(before)
    change = _change(middle, median(after))
    noise = max(noise_of(before), noise_of(after))
    p_up, p_down = p_greater(before, after), p_greater(after, before)
    p = min(p_up, p_down)
    if min(len(before), len(after)) < LEAST_RUNS:
        return Comparison("unclear", change, p, noise)
    if p <= ALPHA and abs(change) > max(LEAST_CHANGE, 2 * noise):
        went_up = p_up < p_down
        return Comparison("better" if went_up == higher_is_better else "worse", change, p, noise)
    return Comparison("unclear" if noise > MOST_NOISE else "same", change, p, noise)


def p_greater(before: Sequence[float], after: Sequence[float]) -> float:
    """Of all ways to split the figures in two, how many put the second group at least so high by rank.

    The exact rank-sum test, one-sided; ties get their middle rank.
    """
    ranks = _ranks([*before, *after])
    seen = sum(ranks[len(before) :])
    splits = [sum(one) for one in combinations(ranks, len(after))]
    return sum(one >= seen - 1e-9 for one in splits) / len(splits)


def noise_of(figures: Sequence[float]) -> float:
    """The coefficient of variation."""
    if len(figures) < 2:
        return 0.0
    mean = sum(figures) / len(figures)
    return stdev(figures) / mean if mean else 0.0


def _ranks(figures: Sequence[float]) -> list[float]:
    ordered = sorted(figures)
    first = {value: at for at, value in reversed(list(enumerate(ordered)))}
    return [first[one] + (ordered.count(one) + 1) / 2 for one in figures]


def _change(before: float, after: float) -> float:
    if before == after:
        return 0.0
    return (after - before) / before if before else float("inf")
