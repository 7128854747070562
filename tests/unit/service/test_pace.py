"""Whose time it is: the client's is limited, the service's own is not charged to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pace import PHASES, Limits, Pace, Phase

LIMITS = Limits(head_s=10, body_s=30, answer_s=60, close_s=20, body_grace_s=5, body_bytes_per_s=1000)
PLENTY = 10**9


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_has_its_limit(phase: Phase) -> None:
    pace, allowed_s = Pace(), getattr(LIMITS, f"{phase}_s")
    assert not pace.overdue(phase, 1, PLENTY, allowed_s, LIMITS)
    assert pace.overdue(phase, 1, PLENTY, 0.1, LIMITS)


def test_a_body_has_to_come_at_its_least_rate_after_the_grace() -> None:
    pace = Pace()
    assert not pace.overdue("body", 1, 0, 5, LIMITS)
    assert not pace.overdue("body", 1, 6000, 1, LIMITS)
    assert pace.overdue("body", 1, 6999, 1, LIMITS)


def test_time_in_which_the_service_does_not_read_is_not_charged() -> None:
    pace = Pace()
    assert not pace.overdue("body", 1, PLENTY, 29, LIMITS)
    assert not pace.overdue(None, 1, PLENTY, 1000, LIMITS)
    assert not pace.overdue("body", 1, PLENTY, 1, LIMITS)
    assert pace.overdue("body", 1, PLENTY, 1, LIMITS)


def test_another_request_begins_anew() -> None:
    pace = Pace()
    for request in range(100):
        assert not pace.overdue("head", request, 0, 9, LIMITS)


@given(st.lists(st.tuples(st.sampled_from((None, "head")), st.floats(0, 3)), max_size=60))
def test_a_head_is_overdue_exactly_when_more_was_waited_than_allowed(
    steps: list[tuple[Phase, float]],
) -> None:
    pace, waited = Pace(), 0.0
    for phase, passed_s in steps:
        waited += passed_s if phase else 0
        assert pace.overdue(phase, 1, 0, passed_s, LIMITS) is (phase is not None and waited > LIMITS.head_s)
