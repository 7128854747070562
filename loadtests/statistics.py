"""Two small groups of figures compared: exact, the same every time, whatever their order and scale. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import comb, fsum, sqrt
from statistics import median
from typing import Literal

Answer = Literal["better", "same", "worse", "unclear"]

# False alarms: of comparisons in which nothing has changed, at most so many call any figure worse, and at
# most so many call any better, however many figures they have.
ALPHA = 0.05
# Less does not matter, however surely it is there.
LEAST_CHANGE = 0.10
# Above, the runs differ among themselves too much to tell a small change.
MOST_NOISE = 0.10


@dataclass(frozen=True)
class Figure:
    """One figure of two groups of runs."""

    before: Sequence[float]
    after: Sequence[float]
    higher_is_better: bool = False


@dataclass(frozen=True)
class Comparison:
    """`change` is relative to what was before; `p` is corrected for the number of figures."""

    answer: Answer
    change: float
    p: float
    noise: float


def compared(figures: Sequence[Figure]) -> list[Comparison]:
    """Worse or better needs both: a change that matters, and one that chance seldom makes.

    Each direction is corrected for the number of figures by Holm's step-down ("A Simple Sequentially
    Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979, 65-70), so that ALPHA is
    that of the whole comparison, whatever its figures have to do with one another.
    """
    up = holm([p_greater(one.before, one.after) for one in figures])
    down = holm([p_greater(one.after, one.before) for one in figures])
    least = least_runs(len(figures))
    return [_judged(*one, least) for one in zip(figures, up, down, strict=True)]


def _judged(figure: Figure, p_up: float, p_down: float, least: int) -> Comparison:
    before, after = figure.before, figure.after
    change = _change(median(before), median(after))
    noise, p = max(noise_of(before), noise_of(after)), min(p_up, p_down)
    answer: Answer = "unclear" if noise > MOST_NOISE else "same"
    if min(len(before), len(after)) < least:
        answer = "unclear"
    elif p <= ALPHA and abs(change) > max(LEAST_CHANGE, 2 * noise):
        answer = "better" if (p_up < p_down) == figure.higher_is_better else "worse"
    return Comparison(answer, change, p, noise)


def least_runs(figures: int) -> int:
    """A side; with fewer no split of the runs is rare enough, however far apart they lie."""
    return next(runs for runs in count(1) if figures / comb(2 * runs, runs) <= ALPHA)


def holm(chances: Sequence[float]) -> list[float]:
    """Each as it counts among the others: the smallest times all of them, the next times one less."""
    counted, highest = dict[int, float](), 0.0
    for left, at in zip(range(len(chances), 0, -1), _ascending(chances), strict=True):
        highest = max(highest, min(1.0, left * chances[at]))
        counted[at] = highest
    return [counted[at] for at in range(len(chances))]


def _ascending(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=values.__getitem__)


def p_greater(before: Sequence[float], after: Sequence[float]) -> float:
    """Of all ways to split the figures in two, how many put the second group at least so high by rank.

    The exact rank-sum test, one-sided; ties get their middle rank.
    """
    ranks = _doubled_ranks([*before, *after])
    seen = sum(ranks[len(before) :])
    splits = _splits(tuple(sorted(ranks)), len(after))
    return sum(ways for total, ways in splits.items() if total >= seen) / comb(len(ranks), len(after))


@lru_cache(maxsize=256)
def _splits(ranks: tuple[int, ...], size: int) -> Counter[int]:
    """How many choices of so many ranks have each sum: counted, since twenty runs a side have 10^11.

    Kept, since without ties all groups of one size have the same ranks.
    """
    by_size = [Counter({0: 1}), *(Counter[int]() for _ in range(size))]
    for rank in ranks:
        for chosen in range(size, 0, -1):
            for total, ways in by_size[chosen - 1].items():
                by_size[chosen][total + rank] += ways
    return by_size[size]


def noise_of(figures: Sequence[float]) -> float:
    """The coefficient of variation; `stdev` computes in fractions, which takes twenty times as long."""
    if len(figures) < 2:
        return 0.0
    mean = fsum(figures) / len(figures)
    variance = fsum((one - mean) ** 2 for one in figures) / (len(figures) - 1)
    return sqrt(variance) / mean if mean else 0.0


def _doubled_ranks(figures: Sequence[float]) -> list[int]:
    """Twice the rank: a middle rank may be half of one."""
    ordered = sorted(figures)
    first = {value: at for at, value in reversed(list(enumerate(ordered)))}
    return [2 * first[one] + ordered.count(one) + 1 for one in figures]


def _change(before: float, after: float) -> float:
    if before == after:
        return 0.0
    return (after - before) / before if before else float("inf")
