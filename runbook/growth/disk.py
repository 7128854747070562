"""How long the disk holds: chunks come day by day and leave by the retention. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from runbook.growth.fit import Line, theil_sen

HORIZON_DAYS = 3650
# What older days say about tomorrow is little.
FITTED_DAYS = 28


@dataclass(frozen=True)
class Day:
    """What the decisions of one day take, their keys included."""

    day: date
    size_bytes: int
    rows: int = 0


@dataclass(frozen=True)
class Growth:
    """What the days say. A day's size is of its data, not of when it was written."""

    days: int
    bytes_a_day: float
    # By how much each day is larger than the one before.
    trend_bytes_a_day: float
    days_to_full: int | None
    # Where the retention stops it, if the disk holds so long; None while it grows from day to day.
    steady_bytes: float | None


def judge(days: Sequence[Day], today: date, free_bytes: int, retention_days: int) -> Growth:
    whole = whole_days(days, today)
    line = theil_sen([((one.day - today).days, one.size_bytes) for one in whole]) or Line(0.0, 0.0)
    level = max(0.0, line.at(0))
    rising = max(0.0, line.slope)
    return Growth(
        days=len(whole),
        bytes_a_day=level,
        trend_bytes_a_day=line.slope,
        days_to_full=days_to_full(days, today, free_bytes, retention_days, Line(level, rising)),
        steady_bytes=level * (retention_days + 1) if rising == 0 else None,
    )


def whole_days(days: Sequence[Day], today: date) -> list[Day]:
    """The last ones that are over: today still grows. A day without a chunk among them grew by nothing."""
    sizes = {one.day: one for one in days}
    first = max(min(sizes, default=today), today - timedelta(days=FITTED_DAYS))
    span = (today - first).days
    return [sizes.get(day, Day(day, 0)) for day in (first + timedelta(days=n) for n in range(span))]


def days_to_full(
    days: Sequence[Day], today: date, free_bytes: float, retention_days: int, coming: Line
) -> int | None:
    """Whole days until more is needed than is free; None when that is beyond the horizon.

    `coming` is the size of the day that is so many days away. What leaves gives its bytes back at once.
    """
    leaving: dict[int, float] = {}
    for one in days:
        goes_in = (one.day - today).days + 1 + retention_days
        leaving[max(1, goes_in)] = leaving.get(max(1, goes_in), 0.0) + one.size_bytes
    needed = 0.0
    for ahead in range(1, HORIZON_DAYS + 1):
        size = coming.at(ahead)
        leaving[ahead + 1 + retention_days] = size
        needed += size - leaving.pop(ahead, 0.0)
        if needed > free_bytes:
            return ahead
    return None
