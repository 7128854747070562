"""Who has to know by now."""

import pytest

from service.alerts import escalation
from service.alerts.rule import Severity
from service.alerts.testing import alert

NOW = 1_700_000_000.0


def level(severity: Severity, minutes: float, *, acknowledged: bool = False, kind: str = "") -> int:
    one = alert(severity=severity, fired_at=NOW - 60 * minutes, labels={"class": kind} if kind else {})
    return escalation.level(one, NOW, acknowledged=acknowledged)


@pytest.mark.parametrize("severity", [Severity.HIGH, Severity.CRITICAL])
def test_what_is_left_alone_climbs(severity: Severity) -> None:
    assert [level(severity, minutes) for minutes in (0, 29.9, 30, 59.9, 60, 600)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("severity", [Severity.LOW, Severity.MEDIUM])
def test_small_ones_stay_with_the_first(severity: Severity) -> None:
    assert level(severity, 600) == 1


def test_who_looks_after_it_is_left_in_peace() -> None:
    assert level(Severity.CRITICAL, 600, acknowledged=True) == 1


def test_an_emergency_goes_straight_to_the_second() -> None:
    assert level(Severity.CRITICAL, 0, kind="data-loss") == 2
    assert level(Severity.CRITICAL, 0, kind="outage") == 2
    assert level(Severity.HIGH, 0, kind="data-loss") == 1
    assert level(Severity.CRITICAL, 60, kind="data-loss") == 3


def test_a_missing_receiver_is_stood_in_for_by_the_one_before() -> None:
    levels, addresses = escalation.destinations({1: "a", 2: "", 3: "c"})
    assert levels.by_level == {1: "l1", 2: "l1", 3: "l3"}
    assert addresses == {"l1": "a", "l3": "c"}
    assert levels.upto(0, 2) == ("l1",)
    assert levels.upto(1, 3) == ("l1", "l3")


def test_the_same_address_is_one_receiver() -> None:
    levels, addresses = escalation.destinations({1: "a", 2: "b", 3: "a"})
    assert levels.by_level == {1: "l1", 2: "l2", 3: "l1"}
    assert addresses == {"l1": "a", "l2": "b"}


def test_without_a_first_address_nobody_is_told() -> None:
    assert escalation.destinations({1: "", 2: "b", 3: "c"})[1] == {}
