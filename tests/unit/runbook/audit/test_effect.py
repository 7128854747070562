from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.audit.effect import Effect, Event, effects, most_within, resolve_times_s

DAY_S = 86_400.0
TIMES = st.lists(st.floats(0, 1e6), max_size=30)


def rule(rule_id: str = "queue-depth") -> dict[str, Any]:
    return {"id": rule_id, "metric": "queue.size", "severity": "high", "duration": 60_000}


def fired(*spans: tuple[float, float | None], rule_id: str = "queue-depth") -> list[Event]:
    """Firings from a second to another; without an end they go on."""
    events = []
    for number, (began, ended) in enumerate(spans):
        alert_id = f"{rule_id}-{number}"
        events.append(Event(rule_id, alert_id, "high", "firing", began))
        if ended is not None:
            events.append(Event(rule_id, alert_id, "high", "resolved", ended))
    return sorted(events, key=lambda one: one.at)


def only(events: list[Event], days: float = 30) -> Effect:
    (found,) = effects([rule()], events, days)
    return found


def test_a_rule_that_never_fired_is_named() -> None:
    assert only([]).verdict == "never fired"


def test_fires_and_times_to_resolve_are_counted() -> None:
    found = only(fired((0, 600), (DAY_S, DAY_S + 1800), (2 * DAY_S, None)))
    assert (found.fires, found.open_now, found.verdict) == (3, 1, "useful")
    assert (found.median_resolve_s, found.longest_resolve_s) == (1200, 1800)


def test_three_within_an_hour_are_flapping() -> None:
    assert only(fired((0, 100), (1000, 1100), (3599, 3700))).verdict == "flapping"
    assert only(fired((0, 1000), (1800, 2800), (3600, 5000))).verdict == "useful"


def test_one_a_day_is_noisy() -> None:
    daily = fired(*((day * DAY_S, day * DAY_S + 3000) for day in range(7)))
    assert only(daily, days=7).verdict == "noisy"
    assert only(daily, days=90).verdict == "useful"


def test_what_ends_by_itself_needs_a_longer_duration() -> None:
    found = only(fired(*((day * DAY_S, day * DAY_S + 60) for day in range(5))))
    assert (found.verdict, found.advice) == (
        "ends by itself",
        "longer duration than 60000 ms: nobody had to act",
    )


def test_an_end_without_its_beginning_is_no_resolve_time() -> None:
    assert resolve_times_s([Event("r", "a", "high", "resolved", 5.0)]) == []


def test_rules_that_are_gone_come_last() -> None:
    found = effects([rule("a"), rule("b")], fired((0, 60), rule_id="b") + fired((5, 9), rule_id="old"), 30)
    assert [(one.rule_id, one.fires) for one in found] == [("b", 1), ("a", 0), ("old", 1)]
    assert found[-1].verdict == "no longer a rule"


@given(TIMES, st.floats(0.1, 1e6))
def test_a_window_never_holds_more_than_there_are_nor_less_than_one(
    times: list[float], span_s: float
) -> None:
    most = most_within(times, span_s)
    assert min(1, len(times)) <= most <= len(times)
    assert most == max((sum(at <= other < at + span_s for other in times) for at in times), default=0)


@pytest.mark.parametrize("days", [0.0, 1.0, 400.0])
@given(st.lists(st.tuples(st.floats(0, 1e6), st.one_of(st.none(), st.floats(0, 1e5))), max_size=12))
def test_every_firing_is_either_open_or_resolved(
    days: float, spans: list[tuple[float, float | None]]
) -> None:
    events = fired(*((began, None if took is None else began + took) for began, took in spans))
    found = only(events, days)
    ended = sum(took is not None for _, took in spans)
    assert found.fires == len(spans) == found.open_now + ended
    assert (found.verdict == "never fired") is (not spans)
