"""What each rule did over a span, and what to make of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

# So many firings of one rule in an hour are flapping.
FLAPPING = 3
HOUR_S = 3600.0
# Ended by itself so soon, nobody had to act.
SHORT_S = 300.0
# Fewer firings say little about a rule.
ENOUGH = 5
NOISY_PER_DAY = 1.0


@dataclass(frozen=True)
class Event:
    """One transition; `at` in seconds since 1970."""

    rule_id: str
    alert_id: str
    severity: str
    status: str
    at: float


@dataclass(frozen=True)
class Effect:
    """Of one rule; resolve times are of firings that began in the span and have ended."""

    rule_id: str
    metric: str
    severity: str
    fires: int
    open_now: int
    median_resolve_s: float | None
    longest_resolve_s: float | None
    most_in_an_hour: int
    verdict: str
    advice: str


def effects(rules: Sequence[Mapping[str, Any]], events: Iterable[Event], days: float) -> list[Effect]:
    """One for each rule in force, the one that fired most first; firings of former rules come last."""
    by_rule: dict[str, list[Event]] = {}
    for one in events:
        by_rule.setdefault(one.rule_id, []).append(one)
    found = [_effect(rule, by_rule.pop(rule["id"], []), days) for rule in rules]
    gone = [_gone(rule_id, some) for rule_id, some in by_rule.items()]
    return [*sorted(found, key=lambda one: (-one.fires, one.rule_id)), *gone]


def resolve_times_s(events: Sequence[Event]) -> list[float]:
    """From the beginning to the end of each firing of which both lie in the span."""
    began: dict[str, float] = {}
    took: list[float] = []
    for one in sorted(events, key=lambda event: event.at):
        if one.status == "firing":
            began.setdefault(one.alert_id, one.at)
        elif one.alert_id in began:
            took.append(one.at - began.pop(one.alert_id))
    return took


def most_within(times: Sequence[float], span_s: float) -> int:
    """The largest number of times that lie within one span."""
    ordered, first, most = sorted(times), 0, 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _effect(rule: Mapping[str, Any], events: Sequence[Event], days: float) -> Effect:
    began = [one.at for one in events if one.status == "firing"]
    took = resolve_times_s(events)
    ended = {one.alert_id for one in events if one.status == "resolved"}
    still = {one.alert_id for one in events if one.status == "firing"} - ended
    burst = most_within(began, HOUR_S)
    verdict, advice = _judged(rule, len(began), took, burst, days)
    return Effect(
        rule_id=str(rule["id"]),
        metric=str(rule["metric"]),
        severity=str(rule["severity"]),
        fires=len(began),
        open_now=len(still),
        median_resolve_s=median(took) if took else None,
        longest_resolve_s=max(took, default=None),
        most_in_an_hour=burst,
        verdict=verdict,
        advice=advice,
    )


def _judged(
    rule: Mapping[str, Any], fires: int, took: Sequence[float], burst: int, days: float
) -> tuple[str, str]:
    if not fires:
        return "never fired", "show that it can: its test, or a drill"
    if burst >= FLAPPING:
        return "flapping", f"longer duration than {rule['duration']} ms, or a clearThreshold"
    if fires / max(days, 1.0) >= NOISY_PER_DAY and fires >= ENOUGH:
        return "noisy", "threshold or severity: amas audit thresholds"
    short = sum(one < SHORT_S for one in took)
    if len(took) >= ENOUGH and short > len(took) / 2:
        return "ends by itself", f"longer duration than {rule['duration']} ms: nobody had to act"
    return "useful", ""


def _gone(rule_id: str, events: Sequence[Event]) -> Effect:
    began = [one.at for one in events if one.status == "firing"]
    took = resolve_times_s(events)
    return Effect(
        rule_id=rule_id,
        metric="",
        severity=events[0].severity,
        fires=len(began),
        open_now=0,
        median_resolve_s=median(took) if took else None,
        longest_resolve_s=max(took, default=None),
        most_in_an_hour=most_within(began, HOUR_S),
        verdict="no longer a rule",
        advice="",
    )
