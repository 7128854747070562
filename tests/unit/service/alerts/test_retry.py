"""Pauses and what receivers ask for."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts import retry

NOW = 1_700_000_000.0


def test_pauses_double_then_stay_within_a_minute() -> None:
    pauses = [retry.pause_s(failures, None, lambda: 1.0) for failures in range(1, 9)]
    assert pauses == [1, 2, 4, 20, 40, 60, 60, 60]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_takes_half_at_most(failures: int, random: float) -> None:
    whole = retry.pause_s(failures, None, lambda: 1.0)
    assert whole / 2 <= retry.pause_s(failures, None, lambda: random) <= whole


def test_a_receiver_gets_the_time_it_asks_for_but_not_for_ever() -> None:
    assert retry.pause_s(1, 30.0, lambda: 0.0) == 30.0
    assert retry.pause_s(6, 1.0, lambda: 1.0) == 60.0
    assert retry.pause_s(1, 1e9, lambda: 0.0) == retry.LONGEST_ASKED_S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
    ],
)
def test_seconds_and_dates_are_understood(header: str | None, seconds: float | None) -> None:
    assert retry.asked_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_breaks_it(header: str) -> None:
    asked = retry.asked_s(header, NOW)
    assert asked is None or asked >= 0


def test_only_what_may_pass_is_retried() -> None:
    assert all(retry.worth_retrying(status) for status in (408, 429, 500, 502, 503))
    assert not any(retry.worth_retrying(status) for status in (301, 400, 401, 403, 404, 410, 413))
