"""What holds for any rule, any values and any clock; and that it fires exactly when Prometheus does."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.alerts.evaluate import evaluate
from service.alerts.rule import Measured, NoData, Rule, Severity, State, Status

START = 1_764_000_000.0
RULE = Rule(
    id="latency",
    metric="http.latency.p99",
    threshold=500,
    operator=">",
    duration_ms=60_000,
    severity=Severity.HIGH,
    message="Slow",
)
BAD, GOOD, NONE = (600.0, 50), (400.0, 50), None

MILLISECONDS = st.integers(0, 90_000)
MEASURED: st.SearchStrategy[Measured | None] = st.sampled_from(
    [BAD, BAD, GOOD, (480.0, 50), (600.0, 2), NONE]
)
RULES = st.builds(
    lambda duration, cooldown, keep, clear, least, policy: replace(
        RULE,
        duration_ms=duration,
        cooldown_ms=cooldown,
        keep_firing_for_ms=keep,
        clear_threshold=clear,
        min_samples=least,
        no_data=policy,
    ),
    st.sampled_from([0, 1, 60_000, 120_000]),
    st.sampled_from([0, 100_000]),
    st.sampled_from([0, 45_000]),
    st.sampled_from([None, 450.0]),
    st.sampled_from([1, 10]),
    st.sampled_from(list(NoData)),
)


@given(RULES, st.lists(st.tuples(st.integers(-7_200_000, 90_000), MEASURED), max_size=40))
def test_whatever_the_clock_and_the_values_do_the_state_makes_sense(
    rule: Rule, moves: list[tuple[int, Measured | None]]
) -> None:
    state, now_ms, open_alert = State(), int(START * 1000), ""
    for move_ms, measured in moves:
        now_ms += move_ms
        state, transition = evaluate(rule, state, measured, now_ms / 1000)
        assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
        assert (state.status is Status.INACTIVE) is (state.active_at is None)
        assert (state.status is Status.FIRING) is (state.alert_id != "")
        assert state.held_s >= 0
        if transition and transition.kind == "firing":
            assert open_alert in ("", transition.alert_id)
            assert transition.late is (open_alert != "")
        if transition:
            assert transition.fired_at <= transition.at
            open_alert = transition.alert_id if transition.kind == "firing" else ""
        assert open_alert == state.alert_id


@given(RULES, st.lists(st.tuples(st.integers(-7_200_000, 90_000), MEASURED), max_size=40))
def test_it_never_fires_before_it_was_seen_breaching_for_its_duration(
    rule: Rule, moves: list[tuple[int, Measured | None]]
) -> None:
    """Only the time between two evaluations in a row that both breached counts."""
    state, now_ms, seen_ms, breached = State(), int(START * 1000), 0, False
    for move_ms, measured in moves:
        now_ms += move_ms
        missing = measured is None or measured[1] < rule.min_samples
        breach = rule.no_data is NoData.ALERT if missing else measured is not None and measured[0] > 500
        seen_ms = (seen_ms + max(0, move_ms) if breached else 0) if breach else 0
        if missing and rule.no_data is NoData.HOLD:
            # Held: this oracle counts nothing before, so it can only be stricter than the rule.
            state, _ = evaluate(rule, State(), None, now_ms / 1000)
            breached = False
            continue
        before = state.status
        state, _ = evaluate(rule, state, measured, now_ms / 1000)
        if before is not Status.FIRING and state.status is Status.FIRING:
            assert seen_ms >= rule.duration_ms
        breached = breach


@given(RULES, st.lists(st.tuples(MILLISECONDS, MEASURED), max_size=40))
def test_a_firing_that_outlives_its_cooldown_is_always_told(
    rule: Rule, moves: list[tuple[int, Measured | None]]
) -> None:
    state, now_ms = State(), int(START * 1000)
    for move_ms, measured in moves:
        now_ms += move_ms
        state, _ = evaluate(rule, state, measured, now_ms / 1000)
        if state.status is Status.FIRING and state.kept_since is None and not state.notified:
            assert state.notified_at is not None
            assert now_ms - state.notified_at * 1000 < rule.cooldown_ms


@given(
    RULES,
    st.lists(st.tuples(MILLISECONDS, MEASURED), min_size=1, max_size=30),
    st.integers(0, 29),
    st.integers(0, 7_200_000),
)
def test_a_clock_set_back_once_changes_when_and_not_what(
    rule: Rule, moves: list[tuple[int, Measured | None]], step: int, back_ms: int
) -> None:
    """As if the clock had stood still at that step; all later steps are the same."""
    rule = replace(rule, no_data=NoData.ALERT, cooldown_ms=0)
    states, now_ms = [State(), State()], [int(START * 1000)] * 2
    for place, (move_ms, measured) in enumerate(moves):
        now_ms[0] += 0 if place == step else move_ms
        now_ms[1] += -back_ms if place == step else move_ms
        for which in (0, 1):
            states[which], _ = evaluate(rule, states[which], measured, now_ms[which] / 1000)
        assert states[0].status is states[1].status


class Prometheus:
    """The alert of Prometheus' rules/alerting.go, for one series; written from its source, not from ours."""

    def __init__(self, hold_ms: int, keep_ms: int) -> None:
        self.hold_ms, self.keep_ms = hold_ms, keep_ms
        self.state = "inactive"
        self.active_at = self.keep_since = 0

    def eval(self, breach: bool, ts: int) -> bool:
        if breach:
            if self.state == "inactive":
                self.state, self.active_at = "pending", ts
            self.keep_since = 0
        else:
            keep = False
            if self.state == "firing" and self.keep_ms > 0:
                self.keep_since = self.keep_since or ts
                keep = ts - self.keep_since < self.keep_ms
            if not keep:
                self.state = "inactive"
        if self.state == "pending" and ts - self.active_at >= self.hold_ms:
            self.state = "firing"
        return self.state == "firing"


@given(
    st.sampled_from([0, 1, 60_000, 120_000]),
    st.sampled_from([0, 1, 45_000]),
    st.lists(st.tuples(MILLISECONDS, st.booleans()), max_size=60),
)
def test_it_fires_exactly_when_prometheus_does(
    hold_ms: int, keep_ms: int, moves: list[tuple[int, bool]]
) -> None:
    rule = replace(RULE, duration_ms=hold_ms, keep_firing_for_ms=keep_ms)
    state, theirs, now_ms = State(), Prometheus(hold_ms, keep_ms), int(START * 1000)
    for move_ms, breach in moves:
        now_ms += move_ms
        state, _ = evaluate(rule, state, BAD if breach else GOOD, now_ms / 1000)
        assert (state.status is Status.FIRING) is theirs.eval(breach, now_ms)
