"""A line through noisy days. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median


@dataclass(frozen=True)
class Line:
    """`at(0)` is the level at x = 0; the slope is per unit of x."""

    level: float
    slope: float

    def at(self, x: float) -> float:
        return self.level + self.slope * x


def theil_sen(points: Sequence[tuple[float, float]]) -> Line | None:
    """The median of all slopes, so that a day of an outage or of a load test turns nothing.

    None without a point; one point is a level.
    """
    if not points:
        return None
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2]
    slope = median(slopes) if slopes else 0.0
    return Line(median(y - slope * x for x, y in points), slope)
