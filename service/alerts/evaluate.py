"""One rule against one measurement: Prometheus' `for`, with hysteresis, missing data and odd clocks."""

import hashlib
import math
import operator
from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from service.alerts.rule import Measured, NoData, Rule, State, Status, Transition

# As Prometheus: what was pending and not looked at for longer starts anew.
OUTAGE_TOLERANCE_S = 3600.0

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_INACTIVE, _PENDING, _FIRING = Status.INACTIVE, Status.PENDING, Status.FIRING
_HOLD, _ALERT = NoData.HOLD, NoData.ALERT


def evaluate(
    rule: Rule, state: State, measured: Measured | None, now: float
) -> tuple[State, Transition | None]:
    """The state after `now` (seconds since 1970), and the transition where there is one.

    Returns the very `state` that came in when nothing changed, so `is` tells whether to save it.
    A clock that went back takes all times in the state back with it: nothing fires early or hangs.
    """
    if measured is not None and (measured[1] < rule.min_samples or math.isnan(measured[0])):
        measured = None
    if measured is not None:
        limit = _firing_limit(rule) if state.status is _FIRING else rule.threshold
        breaching = _COMPARE[rule.operator](measured[0], limit)
    elif rule.no_data is _HOLD:
        return _told_late(rule, _without_data(state, now), now)
    else:
        breaching = rule.no_data is _ALERT
    same_data = (measured is None) is (state.no_data_since is not None)
    if not breaching and state.status is _INACTIVE and same_data and now >= state.seen_at:
        return state, None
    state = _seen(rule, state, measured, now)
    return _breached(rule, state, now) if breaching else _missed(rule, state, now)


def restored(state: State, now: float, *, last_evaluated_at: float | None = None) -> State:
    """The state to go on with after nobody evaluated for a while: a restart, or another leader.

    The time away counts neither towards firing nor towards resolving, and what was pending starts anew
    after more than an hour. `last_evaluated_at` says when it was evaluated last, where that is known to
    be later than the state was saved.
    """
    if state.status is _INACTIVE:
        return state
    if last_evaluated_at is not None and state.no_data_since is None:
        state = replace(state, seen_at=max(state.seen_at, last_evaluated_at))
    return replace(_resumed(_rebased(state, now), now), seen_at=now)


def retired(rule: Rule, state: State, now: float) -> tuple[State, Transition | None]:
    """For a rule that is no longer in the file: what it fires is resolved."""
    if state.status is not _FIRING:
        return State(), None
    return State(), _transition(rule, state, now, "resolved", notify=state.notified)


def _firing_limit(rule: Rule) -> float:
    return rule.threshold if rule.clear_threshold is None else rule.clear_threshold


def _without_data(state: State, now: float) -> State:
    if state.no_data_since is not None and state.no_data_since <= now:
        return state
    return replace(state, no_data_since=now)


def _seen(rule: Rule, state: State, measured: Measured | None, now: float) -> State:
    """The state on the clock of `now`, with what was measured."""
    state = _rebased(state, now)
    if measured is None:
        state = _without_data(state, now)
        return replace(state, seen_at=now, value=None, samples=0)
    if state.no_data_since is not None and rule.no_data is _HOLD:
        state = _resumed(state, now)
    return replace(state, seen_at=now, value=measured[0], samples=measured[1], no_data_since=None)


def _rebased(state: State, now: float) -> State:
    back_s = state.seen_at - now
    if back_s <= 0:
        return state

    def moved(at: float | None) -> float | None:
        return None if at is None else at - back_s

    return replace(
        state,
        active_at=moved(state.active_at),
        fired_at=moved(state.fired_at),
        last_breach_at=moved(state.last_breach_at),
        resolved_at=moved(state.resolved_at),
        notified_at=moved(state.notified_at),
        kept_since=moved(state.kept_since),
        seen_at=now,
    )


def _resumed(state: State, now: float) -> State:
    """The time since it was seen last does not count; its clock is that of `now` already."""
    gap_s = now - state.seen_at
    if state.status is _PENDING and gap_s > OUTAGE_TOLERANCE_S:
        return replace(state, status=_INACTIVE, active_at=None, held_s=0.0)
    if state.status is _PENDING:
        return replace(state, held_s=state.held_s + gap_s)
    if state.kept_since is not None:
        return replace(state, kept_since=state.kept_since + gap_s)
    return state


def _breached(rule: Rule, state: State, now: float) -> tuple[State, Transition | None]:
    if state.status is _INACTIVE:
        state = replace(state, status=_PENDING, active_at=now, held_s=0.0)
    state = replace(state, last_breach_at=now, kept_since=None)
    active_at = now if state.active_at is None else state.active_at
    if state.status is _PENDING and _passed(now - active_at - state.held_s, rule.duration_ms):
        return _fired(rule, state, active_at, now)
    return _told_late(rule, state, now)


def _fired(rule: Rule, state: State, active_at: float, now: float) -> tuple[State, Transition]:
    told = _may_tell(rule, state, now)
    state = replace(
        state,
        status=_FIRING,
        fired_at=now,
        alert_id=_alert_id(rule, active_at),
        notified=told,
        notified_at=now if told else state.notified_at,
    )
    return state, _transition(rule, state, now, "firing", notify=told)


def _told_late(rule: Rule, state: State, now: float) -> tuple[State, Transition | None]:
    """A cooldown delays word of a firing that goes on; it never swallows it."""
    if state.status is not _FIRING or state.notified or state.kept_since is not None:
        return state, None
    if not _may_tell(rule, state, now):
        return state, None
    state = replace(state, notified=True, notified_at=now)
    return state, _transition(rule, state, now, "firing", notify=True, late=True)


def _may_tell(rule: Rule, state: State, now: float) -> bool:
    return state.notified_at is None or _passed(now - state.notified_at, rule.cooldown_ms)


def _missed(rule: Rule, state: State, now: float) -> tuple[State, Transition | None]:
    if state.status is not _FIRING:
        return replace(state, status=_INACTIVE, active_at=None, held_s=0.0), None
    kept_since = now if state.kept_since is None else state.kept_since
    if not _passed(now - kept_since, rule.keep_firing_for_ms):
        return replace(state, kept_since=kept_since), None
    ended = replace(
        state,
        status=_INACTIVE,
        active_at=None,
        held_s=0.0,
        resolved_at=now,
        kept_since=None,
        alert_id="",
        notified=False,
    )
    return ended, _transition(rule, state, now, "resolved", notify=state.notified)


def _passed(elapsed_s: float, limit_ms: int) -> bool:
    # Seconds since 1970 are exact to about a quarter of a microsecond: rounding gives the milliseconds back.
    return round(elapsed_s * 1000) >= limit_ms


def _alert_id(rule: Rule, active_at: float) -> str:
    text = f"{rule.id} {round(active_at * 1000)}"
    return "alert-" + hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def _transition(
    rule: Rule,
    state: State,
    now: float,
    kind: Literal["firing", "resolved"],
    *,
    notify: bool,
    late: bool = False,
) -> Transition:
    return Transition(
        rule_id=rule.id,
        alert_id=state.alert_id,
        kind=kind,
        at=now,
        fired_at=now if state.fired_at is None else state.fired_at,
        value=state.value,
        threshold=rule.threshold,
        severity=rule.severity,
        message=rule.message,
        notify=notify,
        late=late,
    )
