"""From the load of the days to the day it no longer fits. Pure; every assumption is a named number here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from runbook.growth.disk import HORIZON_DAYS
from runbook.growth.fit import Line, theil_sen

# Of one core: at this the runbook adds an instance.
CPU_TRIGGER_PERCENT = 70.0
# What the runbook says one instance takes, where too little load was seen to measure it.
ASSUMED_REQUESTS = 1200.0
FITTED_DAYS = 28
# Below so many hours, or with all of them alike, a line through them is made up.
LEAST_HOURS = 12
LEAST_SPREAD = 2.0


@dataclass(frozen=True)
class LoadDay:
    """One day's peak and mean, in requests a second of the whole cluster."""

    day: date
    peak: float
    mean: float


@dataclass(frozen=True)
class Cost:
    """An hour: requests a second of one replica, CPU of the busiest in percent of a core."""

    requests: float
    cpu_percent: float


@dataclass(frozen=True)
class HeldLoad:
    """A rising load: the rate up to which all replicas together held; nothing gave way where it is None."""

    requests: float
    replicas: int
    day: date
    gave_way: str | None


@dataclass(frozen=True)
class ReplicaLimit:
    """What one replica takes, whether that was measured here, and how that is known."""

    requests: float
    measured: bool
    how: str


@dataclass(frozen=True)
class Limit:
    """One thing that ends; `days` is None when that is not in sight, 0 when it has ended already."""

    name: str
    days: int | None
    now: str
    most: str
    basis: str


@dataclass(frozen=True)
class Demand:
    """The peak of a day as a line over days from today."""

    line: Line
    days: int

    def at(self, ahead: int) -> float:
        return max(0.0, self.line.at(ahead))

    def first_over(self, most: float) -> int | None:
        """Days until it is more than that; None when that is beyond the horizon."""
        if self.at(0) > most:
            return 0
        if self.line.slope <= 0:
            return None
        ahead = math.floor((most - self.line.level) / self.line.slope) + 1
        return ahead if ahead <= HORIZON_DAYS else None


def demand(days: Sequence[LoadDay], today: date) -> Demand:
    """Today counts: its peak so far can only grow, and a first day is better than none."""
    first = today - timedelta(days=FITTED_DAYS)
    points = [((one.day - today).days, one.peak) for one in days if one.day >= first]
    return Demand(theil_sen(points) or Line(0.0, 0.0), len(points))


def replica_limit(costs: Sequence[Cost], tested: HeldLoad | None = None) -> ReplicaLimit:
    """By a load test where there is one. One in which nothing gave way only says that it is no less."""
    seen = _seen_limit(costs)
    if tested is None:
        return seen
    held = tested.requests / tested.replicas
    if tested.gave_way is None and seen.requests > held:
        return seen
    return ReplicaLimit(held, measured=True, how=f"held in the load test of {tested.day}")


def _seen_limit(costs: Sequence[Cost]) -> ReplicaLimit:
    """Requests a second at which the busiest replica needs 70 % of its core."""
    requests = [one.requests for one in costs]
    enough = len(costs) >= LEAST_HOURS and max(requests) > LEAST_SPREAD * max(min(requests), 0.1)
    line = theil_sen([(one.requests, one.cpu_percent) for one in costs]) if enough else None
    if line is None or line.slope <= 0 or line.level >= CPU_TRIGGER_PERCENT:
        return ReplicaLimit(ASSUMED_REQUESTS, measured=False, how="assumed: too little load to measure it")
    most = (CPU_TRIGGER_PERCENT - line.level) / line.slope
    return ReplicaLimit(most, measured=True, how="measured from CPU and requests")


def replicas_needed(requests: float, limit: ReplicaLimit) -> int:
    return max(1, math.ceil(requests / limit.requests))


def limits(
    coming: Demand, limit: ReplicaLimit, replicas: int, most_replicas: int, disk: Limit
) -> list[Limit]:
    """The soonest first; what is not in sight comes last."""
    a_replica = f"{limit.requests:,.0f} requests a second a replica, {limit.how}"
    now = f"{coming.at(0):,.1f} req/s"
    found = [
        Limit(
            "replicas",
            coming.first_over(replicas * limit.requests),
            now,
            f"{replicas * limit.requests:,.0f} req/s",
            f"{replicas} replicas; {a_replica}",
        ),
        Limit(
            "connections",
            coming.first_over(most_replicas * limit.requests),
            now,
            f"{most_replicas * limit.requests:,.0f} req/s",
            f"a roll of more than {most_replicas} replicas does not fit dbMaxConnections",
        ),
        disk,
    ]
    return sorted(found, key=lambda one: HORIZON_DAYS + 1 if one.days is None else one.days)
