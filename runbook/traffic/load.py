"""How much a day's hours are used: a quiet night, a morning, an evening peak. Pure functions of the time."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import cos, pi, sin

DAY_S = 86_400.0
HOUR_S = 3_600.0
# Waves around a mean of 1: (times a day, how much, hour of its peak). Together they stay above zero.
SWINGS = ((1, 0.7, 15.5), (2, 0.25, 8.0))
STEP_S = 60.0


def load_at(time_of_day_s: float) -> float:
    """Traffic at this second of the day as a share of the day's mean; repeats daily."""
    return 1 + sum(much * cos(_angle(times, time_of_day_s, peak)) for times, much, peak in SWINGS)


def used_until(time_of_day_s: float) -> float:
    """The integral of `load_at` from midnight on: a day's worth is DAY_S."""
    return time_of_day_s + sum(
        much
        * (sin(_angle(times, time_of_day_s, peak)) - sin(_angle(times, 0, peak)))
        * DAY_S
        / (2 * pi * times)
        for times, much, peak in SWINGS
    )


def moments(count: int, start_s: float, length_s: float) -> Iterator[float]:
    """Seconds after `start_s` (a time of day), rising, each standing for an equal part of the load."""
    places = [min(step * STEP_S, length_s) for step in range(int(length_s / STEP_S) + 2)]
    used = [used_until(start_s + place) for place in places]
    whole = used[-1] - used[0]
    slopes = [(later - sooner) / (b - a) if b > a else 1.0 for (sooner, later), (a, b) in
              zip(pairwise(places), pairwise(used), strict=True)]  # fmt: skip
    for number in range(count):
        wanted = used[0] + whole * (number + 0.5) / count
        step = min(bisect_right(used, wanted) - 1, len(slopes) - 1)
        yield places[step] + (wanted - used[step]) * slopes[step]


def _angle(times: int, time_of_day_s: float, peak_hour: float) -> float:
    return 2 * pi * times * (time_of_day_s - peak_hour * HOUR_S) / DAY_S
