"""Latencies in buckets of equal ratio: two histograms of the same scheme add up without any loss.

The scheme is DDSketch's (Masson, Rim and Lee, VLDB 2019): with a relative error e and the ratio
g = (1+e)/(1-e), bucket i holds least*g^i <= v < least*g^(i+1) and stands for least*2*g^(i+1)/(g+1),
which is off by e of any value in it at most. It is fixed, so that all replicas count into the same buckets.
"""

from collections.abc import Iterable
from math import ceil, log

import msgspec

# For values from LEAST_S to MOST_S. Shorter ones count as LEAST_S, longer ones as MOST_S.
RELATIVE_ERROR = 0.02
LEAST_S = 1e-6
MOST_S = 1000.0

_RATIO = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_PER_SECOND = 1 / LEAST_S
_STEPS_PER_E = 1 / log(_RATIO)
_SLOTS = ceil(log(MOST_S / LEAST_S) * _STEPS_PER_E)


class Histogram(msgspec.Struct, array_like=True, frozen=True):
    """What was counted: the buckets that hold something, in order, each with its count."""

    slots: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.counts)

    def percentile(self, percent: int) -> float | None:
        """In seconds, by nearest rank: the least value that so many percent do not exceed."""
        rank = max(1, -(-self.total * percent // 100))
        for slot, count in zip(self.slots, self.counts, strict=True):
            rank -= count
            if rank <= 0:
                return value_of(slot)
        return None

    def over(self, limit_s: float) -> int:
        """How many lie in buckets above that of the limit."""
        last = slot_of(limit_s)
        return sum(count for slot, count in zip(self.slots, self.counts, strict=True) if slot > last)


class Buckets:
    """What counts: one list access and one addition for each value."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = [0] * _SLOTS

    def observe(self, value_s: float) -> None:
        # Said once more in slot_of: a call would cost as much as the rest.
        try:
            self._counts[int(log(value_s * _PER_SECOND) * _STEPS_PER_E) if value_s > LEAST_S else 0] += 1
        except IndexError:
            self._counts[-1] += 1

    def histogram(self) -> Histogram:
        slots = tuple(slot for slot, count in enumerate(self._counts) if count)
        return Histogram(slots, tuple(self._counts[slot] for slot in slots))


def merged(parts: Iterable[Histogram]) -> Histogram:
    """The histogram of everything that any of them counted."""
    counts: dict[int, int] = {}
    for part in parts:
        for slot, count in zip(part.slots, part.counts, strict=True):
            counts[slot] = counts.get(slot, 0) + count
    slots = tuple(sorted(counts))
    return Histogram(slots, tuple(counts[slot] for slot in slots))


def slot_of(value_s: float) -> int:
    if value_s <= LEAST_S:
        return 0
    return min(_SLOTS - 1, int(log(value_s * _PER_SECOND) * _STEPS_PER_E))


def value_of(slot: int) -> float:
    """The value in seconds that stands for all of its bucket."""
    return LEAST_S * 2 * float(_RATIO ** (slot + 1)) / (_RATIO + 1)
