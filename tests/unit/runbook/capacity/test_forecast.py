from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.capacity.forecast import (
    ASSUMED_REQUESTS,
    Cost,
    Demand,
    HeldLoad,
    Limit,
    LoadDay,
    ReplicaLimit,
    demand,
    limits,
    replica_limit,
    replicas_needed,
)
from runbook.growth.disk import HORIZON_DAYS
from runbook.growth.fit import Line

TODAY = date(2026, 3, 1)
DISK = Limit("disk", 200, "1 MB a day", "200 MB free", "")
ONE = ReplicaLimit(1000.0, measured=True, how="measured")


def days(*peaks: float) -> list[LoadDay]:
    """The last one is today's."""
    return [
        LoadDay(TODAY - timedelta(days=len(peaks) - 1 - place), peak, peak / 2)
        for place, peak in enumerate(peaks)
    ]


def test_a_rising_peak_meets_its_limit_on_a_day() -> None:
    coming = demand(days(*range(100, 200, 10)), TODAY)
    assert coming.line.slope == 10
    assert coming.first_over(240) == 6


def test_a_limit_that_is_passed_already_is_now() -> None:
    assert Demand(Line(500.0, 0.0), 5).first_over(400) == 0


@pytest.mark.parametrize("slope", [0.0, -5.0])
def test_a_peak_that_does_not_rise_meets_none(slope: float) -> None:
    assert Demand(Line(100.0, slope), 5).first_over(400) is None


def test_without_snapshots_there_is_no_demand() -> None:
    coming = demand([], TODAY)
    assert (coming.at(0), coming.days, coming.first_over(1)) == (0.0, 0, None)


def test_days_of_months_ago_say_nothing() -> None:
    old = [LoadDay(TODAY - timedelta(days=60), 9999.0, 1.0)]
    assert demand([*old, *days(10, 10, 10)], TODAY).at(0) == 10


@given(level=st.floats(0, 1e4), slope=st.floats(0.01, 100), most=st.floats(1, 1e5))
def test_it_fits_the_day_before_and_not_on_the_day(level: float, slope: float, most: float) -> None:
    coming = Demand(Line(level, slope), 10)
    found = coming.first_over(most)
    if found is None:
        assert coming.at(HORIZON_DAYS) <= most * (1 + 1e-9)
    else:
        assert coming.at(found) >= most * (1 - 1e-9)
        assert found == 0 or coming.at(found - 1) <= most * (1 + 1e-9)


@given(base=st.floats(0, 30), a_request=st.floats(0.01, 1))
def test_a_replicas_limit_is_where_its_cpu_reaches_the_trigger(base: float, a_request: float) -> None:
    costs = [Cost(float(n), base + a_request * n) for n in range(1, 49)]
    found = replica_limit(costs)
    assert found.measured
    assert base + a_request * found.requests == pytest.approx(70)


@pytest.mark.parametrize(
    "costs",
    [
        [],
        [Cost(1.0, 5.0)] * 100,
        [Cost(float(n), 5.0) for n in range(5)],
        [Cost(float(n), 50.0 - n) for n in range(30)],
    ],
    ids=["none", "all alike", "too few", "falling"],
)
def test_what_cannot_be_measured_is_assumed_and_said(costs: list[Cost]) -> None:
    found = replica_limit(costs)
    assert (found.requests, found.measured) == (ASSUMED_REQUESTS, False)
    assert "assumed" in found.how


def test_a_load_test_goes_before_what_was_assumed() -> None:
    tested = HeldLoad(800.0, 2, TODAY, "at 900/s P95 310 ms")
    assert replica_limit([], tested) == ReplicaLimit(400.0, True, "held in the load test of 2026-03-01")


def test_a_load_test_in_which_nothing_gave_way_lowers_no_limit() -> None:
    low, high = HeldLoad(800.0, 2, TODAY, None), HeldLoad(8000.0, 2, TODAY, None)
    assert replica_limit([], low).requests == ASSUMED_REQUESTS
    assert replica_limit([], high).requests == 4000.0


@given(requests=st.floats(0, 1e5), limit=st.floats(1, 1e4))
def test_the_replicas_needed_take_the_load_and_one_less_would_not(requests: float, limit: float) -> None:
    needed = replicas_needed(requests, ReplicaLimit(limit, measured=True, how="measured"))
    assert needed * limit >= requests * (1 - 1e-9)
    assert needed == 1 or (needed - 1) * limit < requests


def test_the_soonest_end_is_first_and_what_has_none_last() -> None:
    coming = Demand(Line(1900.0, 10.0), 10)
    found = limits(coming, ONE, replicas=2, most_replicas=4, disk=DISK)
    assert [(one.name, one.days) for one in found] == [("replicas", 11), ("disk", 200), ("connections", 211)]
    never = Limit("disk", None, "", "", "")
    assert limits(coming, ONE, 2, 4, never)[-1].name == "disk"


def test_an_assumption_is_named_in_the_limit_it_makes() -> None:
    found = limits(Demand(Line(1.0, 0.0), 1), replica_limit([]), 2, 4, DISK)
    assert any("assumed" in one.basis for one in found if one.name == "replicas")
