"""When a rule fires, resolves and is told."""

from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from service.alerts.evaluate import OUTAGE_TOLERANCE_S, evaluate, restored, retired
from service.alerts.rule import Measured, NoData, Rule, Severity, State, Status, Transition

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
Step = tuple[float, Measured | None]


def play(rule: Rule, steps: Sequence[Step], state: State | None = None) -> tuple[State, list[Transition]]:
    """What became of the rule after measurements at seconds since START."""
    state, told = state or State(), []
    for at, measured in steps:
        state, transition = evaluate(rule, state, measured, START + at)
        told += [transition] if transition else []
    return state, told


def kinds(transitions: Sequence[Transition]) -> list[tuple[str, float, bool]]:
    return [(one.kind, round(one.at - START, 3), one.notify) for one in transitions]


def test_fires_when_it_has_breached_for_the_whole_duration() -> None:
    state, told = play(RULE, [(at, BAD) for at in (0, 15, 30, 45)])
    assert (state.status, state.active_at, told) == (Status.PENDING, START, [])
    state, told = play(RULE, [(60, (650.0, 7))], state)
    assert (state.status, state.fired_at, state.value, state.samples) == (Status.FIRING, START + 60, 650.0, 7)
    (fired,) = told
    assert (state.last_breach_at, state.notified, state.notified_at) == (START + 60, True, START + 60)
    assert (fired.kind, fired.at, fired.value, fired.threshold) == ("firing", START + 60, 650.0, 500)
    assert (fired.rule_id, fired.severity, fired.message) == ("latency", Severity.HIGH, "Slow")
    assert fired.alert_id == state.alert_id != ""


def test_one_miss_starts_the_duration_anew() -> None:
    state, told = play(RULE, [(0, BAD), (45, BAD), (50, GOOD), (55, BAD), (110, BAD)])
    assert (state.status, state.active_at, told) == (Status.PENDING, START + 55, [])
    assert kinds(play(RULE, [(115, BAD)], state)[1]) == [("firing", 115, True)]


def test_without_a_duration_the_first_breach_fires() -> None:
    assert kinds(play(replace(RULE, duration_ms=0), [(0, BAD)])[1]) == [("firing", 0, True)]


def test_resolves_at_the_first_value_that_is_no_breach() -> None:
    state, told = play(replace(RULE, duration_ms=0), [(0, BAD), (5, GOOD), (10, GOOD)])
    assert kinds(told) == [("firing", 0, True), ("resolved", 5, True)]
    assert told[0].alert_id == told[1].alert_id
    assert (told[1].fired_at, told[1].value) == (START, 400.0)
    assert (state.status, state.resolved_at, state.active_at) == (Status.INACTIVE, START + 5, None)
    assert (state.alert_id, state.fired_at) == ("", START)


@pytest.mark.parametrize(
    ("operator", "breaching", "quiet"),
    [
        (">", [500.5], [500, 499]),
        (">=", [500, 501], [499.9]),
        ("<", [499.5], [500, 501]),
        ("<=", [500, 1], [500.1]),
        ("==", [500], [499, 501]),
        ("!=", [499, 501], [500]),
    ],
)
def test_compares_as_the_operator_says(operator: str, breaching: list[float], quiet: list[float]) -> None:
    rule = msgspec.convert({**msgspec.to_builtins(RULE), "operator": operator, "duration": 0}, Rule)
    for value in breaching + quiet:
        state, _ = evaluate(rule, State(), (value, 1), START)
        assert (state.status is Status.FIRING) is (value in breaching), value


def test_milliseconds_are_exact_although_times_are_seconds() -> None:
    """0.1 s steps since 1970 add up to 119.99999 s in doubles; the rule still fires at 120."""
    rule = replace(RULE, duration_ms=300)
    base = 1_764_000_000.1
    state, _ = evaluate(rule, State(), BAD, base)
    state, early = evaluate(rule, state, BAD, base + 0.2)
    state, fired = evaluate(rule, state, BAD, base + 0.1 + 0.2)
    assert (early, fired is not None) == (None, True)


def test_the_same_first_breach_names_the_same_alert_and_another_one_does_not() -> None:
    rule = replace(RULE, duration_ms=0)
    names = [play(rule, [(at, BAD)])[0].alert_id for at in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    assert play(replace(rule, id="other"), [(0, BAD)])[0].alert_id != names[0]
    assert names[0].startswith("alert-")


def test_keeps_firing_for_a_while_after_the_last_breach() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    state, told = play(rule, [(0, BAD), (10, GOOD), (39.999, GOOD)])
    assert (state.status, state.kept_since, len(told)) == (Status.FIRING, START + 10, 1)
    assert kinds(play(rule, [(40, GOOD)], state)[1]) == [("resolved", 40, True)]


def test_a_breach_while_kept_starts_the_keeping_anew() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    state, told = play(rule, [(0, BAD), (10, GOOD), (35, BAD), (45, GOOD), (70, GOOD)])
    assert (state.status, len(told)) == (Status.FIRING, 1)
    assert kinds(play(rule, [(75, GOOD)], state)[1]) == [("resolved", 75, True)]


def test_keeping_does_not_make_a_pending_rule_fire() -> None:
    rule = replace(RULE, keep_firing_for_ms=300_000)
    assert play(rule, [(0, BAD), (30, GOOD), (60, BAD)])[0].active_at == START + 60


def test_once_firing_it_resolves_only_past_the_clear_threshold() -> None:
    rule = replace(RULE, duration_ms=0, clear_threshold=450.0)
    steps: list[Step] = [(0, BAD), (5, (470, 9)), (10, (450.1, 9)), (15, (450, 9)), (20, (470, 9))]
    assert kinds(play(rule, steps)[1]) == [("firing", 0, True), ("resolved", 15, True)]


def test_below_the_threshold_the_clear_threshold_starts_nothing() -> None:
    assert play(replace(RULE, clear_threshold=450.0), [(0, (470, 9)), (90, (470, 9))])[1] == []


def test_too_few_samples_are_no_data() -> None:
    rule = replace(RULE, duration_ms=0, min_samples=20)
    state, told = play(rule, [(0, (900.0, 19)), (5, (900.0, 0))])
    assert (state.status, state.no_data_since, told) == (Status.INACTIVE, START, [])
    assert kinds(play(rule, [(10, (900.0, 20))], state)[1]) == [("firing", 10, True)]


def test_what_is_no_number_is_no_data_and_infinity_is_a_number() -> None:
    rule = replace(RULE, duration_ms=0)
    assert play(rule, [(0, (float("nan"), 9))])[0].no_data_since == START
    assert kinds(play(rule, [(0, (float("inf"), 9))])[1]) == [("firing", 0, True)]


def test_held_without_data_a_firing_rule_goes_on_and_nothing_is_saved_again() -> None:
    state, told = play(RULE, [(0, BAD), (60, BAD), (65, NONE)])
    assert (state.status, state.no_data_since, len(told)) == (Status.FIRING, START + 65, 1)
    assert evaluate(RULE, state, NONE, START + 7200) == (state, None)
    assert evaluate(RULE, state, NONE, START + 7200)[0] is state
    assert kinds(play(RULE, [(7205, GOOD)], state)[1]) == [("resolved", 7205, True)]


def test_held_without_data_a_pending_rule_never_fires_and_the_gap_does_not_count() -> None:
    state, told = play(RULE, [(0, BAD), (30, BAD), (35, NONE), (500, NONE)])
    assert (state.status, state.active_at, told) == (Status.PENDING, START, [])
    state, told = play(RULE, [(600, BAD), (629, BAD)], state)
    assert (state.status, state.no_data_since, told) == (Status.PENDING, None, [])
    assert kinds(play(RULE, [(630, BAD)], state)[1]) == [("firing", 630, True)]


def test_held_without_data_for_more_than_an_hour_a_pending_rule_starts_anew() -> None:
    back = 30 + OUTAGE_TOLERANCE_S + 1
    state, told = play(RULE, [(0, BAD), (30, BAD), (35, NONE), (back, BAD), (back + 59, BAD)])
    assert (state.active_at, told) == (START + back, [])


def test_held_without_data_the_keeping_stands_still() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    state, told = play(rule, [(0, BAD), (10, GOOD), (15, NONE), (500, NONE), (510, GOOD), (539, GOOD)])
    assert (state.status, len(told)) == (Status.FIRING, 1)
    assert kinds(play(rule, [(540, GOOD)], state)[1]) == [("resolved", 540, True)]


def test_missing_data_may_count_as_no_breach() -> None:
    rule = replace(RULE, no_data=NoData.OK)
    state, told = play(rule, [(0, BAD), (60, BAD), (65, NONE)])
    assert kinds(told) == [("firing", 60, True), ("resolved", 65, True)]
    assert (told[1].value, state.no_data_since) == (None, START + 65)
    assert evaluate(rule, state, NONE, START + 70)[0] is state


def test_missing_data_may_count_as_a_breach() -> None:
    rule = replace(RULE, no_data=NoData.ALERT)
    state, told = play(rule, [(0, GOOD), (5, NONE), (35, BAD), (64, NONE)])
    assert (state.status, state.active_at, told) == (Status.PENDING, START + 5, [])
    state, told = play(rule, [(65, NONE)], state)
    assert (kinds(told), told[0].value) == ([("firing", 65, True)], None)
    assert kinds(play(rule, [(70, GOOD)], state)[1]) == [("resolved", 70, True)]


def test_a_quiet_rule_stays_the_very_same_object() -> None:
    state = State()
    assert evaluate(RULE, state, GOOD, START)[0] is state


def test_a_firing_within_the_cooldown_is_recorded_and_not_told_nor_is_its_end() -> None:
    rule = replace(RULE, duration_ms=0, cooldown_ms=300_000)
    _, told = play(rule, [(0, BAD), (5, GOOD), (10, BAD), (15, GOOD), (299, BAD), (299.5, GOOD), (305, BAD)])
    assert kinds(told) == [
        ("firing", 0, True),
        ("resolved", 5, True),
        ("firing", 10, False),
        ("resolved", 15, False),
        ("firing", 299, False),
        ("resolved", 299.5, False),
        ("firing", 305, True),
    ]


def test_the_cooldown_ends_to_the_millisecond() -> None:
    rule = replace(RULE, duration_ms=0, cooldown_ms=300_000)
    state, _ = play(rule, [(0, BAD), (5, GOOD)])
    assert kinds(play(rule, [(299.999, BAD)], state)[1]) == [("firing", 299.999, False)]
    assert kinds(play(rule, [(300, BAD)], state)[1]) == [("firing", 300, True)]


def test_a_firing_that_outlives_the_cooldown_is_told_then() -> None:
    """Else the last that people heard would be that it resolved."""
    rule = replace(RULE, duration_ms=0, cooldown_ms=300_000)
    state, told = play(
        rule, [(0, BAD), (5, GOOD), (10, BAD), (200, BAD), (301, BAD), (306, BAD), (310, GOOD)]
    )
    assert [(*one, late.late) for one, late in zip(kinds(told), told, strict=True)] == [
        ("firing", 0, True, False),
        ("resolved", 5, True, False),
        ("firing", 10, False, False),
        ("firing", 301, True, True),
        ("resolved", 310, True, False),
    ]
    assert told[2].alert_id == told[3].alert_id == told[4].alert_id
    assert (told[3].fired_at, state.notified_at) == (START + 10, START + 301)


def test_a_firing_that_outlives_the_cooldown_is_told_without_data_too() -> None:
    rule = replace(RULE, duration_ms=0, cooldown_ms=300_000)
    _, told = play(rule, [(0, BAD), (5, GOOD), (10, BAD), (20, NONE), (301, NONE), (306, NONE)])
    assert kinds(told)[-2:] == [("firing", 10, False), ("firing", 301, True)]


def test_a_firing_that_is_only_kept_is_not_told_late() -> None:
    rule = replace(RULE, duration_ms=0, cooldown_ms=60_000, keep_firing_for_ms=60_000)
    state, _ = play(rule, [(0, BAD), (1, GOOD), (61, GOOD), (61.5, BAD)])
    assert state.notified
    quick = replace(rule, cooldown_ms=90_000)
    _, told = play(quick, [(0, BAD), (1, GOOD), (61, GOOD), (65, BAD), (70, GOOD), (95, GOOD), (130, GOOD)])
    assert kinds(told)[2:] == [("firing", 65, False), ("resolved", 130, False)]


def test_a_clock_that_stands_still_never_makes_it_fire() -> None:
    state, told = play(RULE, [(0, BAD)] * 50)
    assert (state.status, told) == (Status.PENDING, [])


def test_a_clock_that_went_back_an_hour_neither_fires_early_nor_hangs() -> None:
    state, told = play(RULE, [(0, BAD), (40, BAD), (-3600, BAD)])
    assert (state.status, state.active_at, told) == (Status.PENDING, START - 3640, [])
    state, told = play(RULE, [(-3581, BAD)], state)
    assert told == []
    assert kinds(play(RULE, [(-3580, BAD)], state)[1]) == [("firing", -3580, True)]


def test_a_clock_that_went_back_keeps_the_rest_of_the_cooldown() -> None:
    rule = replace(RULE, duration_ms=0, cooldown_ms=300_000)
    state, told = play(rule, [(0, BAD), (5, GOOD), (-3600, GOOD), (-3590, BAD), (-3585, GOOD)])
    assert kinds(told)[2:] == [("firing", -3590, False), ("resolved", -3585, False)]
    assert kinds(play(rule, [(-3000, BAD)], state)[1]) == [("firing", -3000, True)]


def test_a_clock_that_went_back_takes_every_time_along() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    before, _ = play(rule, [(0, BAD), (10, GOOD), (40, GOOD), (50, BAD), (60, BAD), (70, GOOD)])
    after, _ = play(rule, [(-930, GOOD)], before)
    assert after == replace(
        before,
        active_at=START - 950,
        fired_at=START - 950,
        last_breach_at=START - 940,
        resolved_at=START - 960,
        notified_at=START - 950,
        kept_since=START - 930,
        seen_at=START - 930,
    )


def test_after_a_restart_with_a_clock_that_went_back_nothing_is_counted() -> None:
    state, _ = play(RULE, [(0, BAD), (40, BAD)])
    back = restored(state, START - 3600)
    assert (back.active_at, back.seen_at, back.held_s) == (START - 3640, START - 3600, 0)
    assert kinds(play(RULE, [(-3581, BAD), (-3580, BAD)], back)[1]) == [("firing", -3580, True)]


def test_a_clock_that_went_back_keeps_the_keeping() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    state, told = play(rule, [(0, BAD), (10, GOOD), (20, GOOD), (-1000, GOOD), (-981, GOOD)])
    assert (state.status, len(told)) == (Status.FIRING, 1)
    assert kinds(play(rule, [(-980, GOOD)], state)[1]) == [("resolved", -980, True)]


def test_a_clock_that_went_back_without_data_moves_the_time_of_the_loss() -> None:
    state, _ = play(RULE, [(100, NONE), (50, NONE)])
    assert state.no_data_since == START + 50


def test_after_a_restart_a_pending_rule_goes_on_without_the_time_away() -> None:
    state, _ = play(RULE, [(0, BAD), (40, BAD)])
    state, told = play(RULE, [(1000, BAD), (1019, BAD)], restored(state, START + 1000))
    assert (state.active_at, told) == (START, [])
    assert kinds(play(RULE, [(1020, BAD)], state)[1]) == [("firing", 1020, True)]


def test_after_a_restart_a_later_evaluation_than_the_saved_one_counts() -> None:
    state, _ = play(RULE, [(0, BAD)])
    state = restored(state, START + 1000, last_evaluated_at=START + 40)
    assert kinds(play(RULE, [(1000, BAD), (1020, BAD)], state)[1]) == [("firing", 1020, True)]


def test_after_a_restart_a_last_evaluation_before_the_saved_one_is_ignored() -> None:
    state, _ = play(RULE, [(0, BAD), (40, BAD)])
    assert restored(state, START + 1000, last_evaluated_at=START + 1).held_s == 960


def test_after_a_restart_evaluations_without_data_do_not_count() -> None:
    state, _ = play(RULE, [(0, BAD), (10, NONE)])
    assert restored(state, START + 1000, last_evaluated_at=START + 900).held_s == 1000


@pytest.mark.parametrize(("away_s", "status"), [(3600, Status.PENDING), (3601, Status.INACTIVE)])
def test_after_more_than_an_hour_away_a_pending_rule_starts_anew(away_s: float, status: Status) -> None:
    state, _ = play(RULE, [(0, BAD)])
    assert restored(state, START + away_s).status is status


def test_after_any_time_away_a_firing_rule_fires_on_and_is_not_told_again() -> None:
    state, _ = play(RULE, [(0, BAD), (60, BAD)])
    again, told = play(RULE, [(90_000, BAD)], restored(state, START + 90_000))
    assert (again.status, again.alert_id, told) == (Status.FIRING, state.alert_id, [])


def test_after_a_restart_an_inactive_rule_is_what_it_was() -> None:
    state, _ = play(replace(RULE, duration_ms=0), [(0, BAD), (5, GOOD)])
    assert restored(state, START + 90_000) is state


def test_a_rule_that_left_the_file_resolves_what_it_fired() -> None:
    state, _ = play(RULE, [(0, BAD), (60, BAD)])
    left, resolved = retired(RULE, state, START + 65)
    assert resolved is not None
    assert (left, resolved.kind, resolved.alert_id) == (State(), "resolved", state.alert_id)
    assert (resolved.at, resolved.notify) == (START + 65, True)
    assert retired(RULE, play(RULE, [(0, BAD)])[0], START + 5) == (State(), None)


def test_what_is_left_after_the_end_is_only_when_and_with_what_it_happened() -> None:
    rule = replace(RULE, keep_firing_for_ms=10_000)
    steps = [(0, BAD), (10, NONE), (20, BAD), (80, BAD), (90, GOOD), (100, GOOD)]
    state, told = play(rule, steps)
    assert kinds(told) == [("firing", 80, True), ("resolved", 100, True)]
    assert state == State(
        fired_at=START + 80,
        last_breach_at=START + 80,
        resolved_at=START + 100,
        notified_at=START + 80,
        seen_at=START + 100,
        value=400.0,
        samples=50,
    )


def test_a_gap_in_one_breach_does_not_delay_the_next() -> None:
    steps = [(0, BAD), (10, NONE), (40, BAD), (45, GOOD), (50, BAD), (109, BAD)]
    state, told = play(RULE, steps)
    assert (state.active_at, state.held_s, told) == (START + 50, 0, [])
    assert kinds(play(RULE, [(110, BAD)], state)[1]) == [("firing", 110, True)]


def test_what_ended_while_pending_is_as_if_it_had_never_begun() -> None:
    state, _ = play(RULE, [(0, BAD), (10, NONE), (40, BAD), (45, GOOD)])
    assert (state.status, state.active_at, state.held_s) == (Status.INACTIVE, None, 0)


def test_after_a_restart_what_starts_anew_keeps_nothing_of_the_time_before() -> None:
    state, _ = play(RULE, [(0, BAD), (10, NONE), (40, BAD)])
    state = restored(state, START + 90_000)
    assert (state.status, state.active_at, state.held_s) == (Status.INACTIVE, None, 0)
    assert state.seen_at == START + 90_000


def test_after_a_restart_the_time_away_is_left_out_once() -> None:
    state, _ = play(RULE, [(0, BAD), (10, BAD)])
    again = restored(restored(state, START + 500), START + 1000)
    assert (again.held_s, again.seen_at) == (990, START + 1000)


def test_after_a_restart_the_keeping_goes_on_without_the_time_away() -> None:
    rule = replace(RULE, duration_ms=0, keep_firing_for_ms=30_000)
    state, _ = play(rule, [(0, BAD), (10, GOOD), (20, GOOD)])
    state, told = play(rule, [(1000, GOOD), (1019, GOOD)], restored(state, START + 1000))
    assert (state.status, told) == (Status.FIRING, [])
    assert kinds(play(rule, [(1020, GOOD)], state)[1]) == [("resolved", 1020, True)]


def test_missing_data_is_remembered_as_no_value_of_no_samples_seen_now() -> None:
    state, _ = play(replace(RULE, no_data=NoData.ALERT), [(0, BAD), (5, NONE)])
    assert (state.value, state.samples, state.seen_at) == (None, 0, START + 5)


def test_the_same_instant_evaluated_again_changes_nothing() -> None:
    ended, _ = play(replace(RULE, duration_ms=0), [(0, BAD), (5, GOOD)])
    assert evaluate(RULE, ended, GOOD, START + 5)[0] is ended
    lost, _ = play(RULE, [(0, GOOD), (5, NONE)])
    assert evaluate(RULE, lost, NONE, START + 5)[0] is lost


def test_a_clock_that_went_back_half_a_second_takes_the_times_along_too() -> None:
    state, _ = play(RULE, [(0, BAD), (40, BAD), (39.5, BAD)])
    assert state.active_at == START - 0.5


def test_a_kept_state_that_lacks_its_times_counts_from_now() -> None:
    """Times are left out of what is kept where they are not known."""
    pending, told = play(RULE, [(100, BAD)], State(status=Status.PENDING))
    assert (pending.status, told) == (Status.PENDING, [])
    (late,) = play(RULE, [(100, BAD)], State(status=Status.FIRING, alert_id="alert-1"))[1]
    assert (late.fired_at, late.late) == (START + 100, True)


def test_an_alert_is_named_alike_by_every_release() -> None:
    """One that fires during a release has to be found again, to be acknowledged and resolved."""
    assert play(replace(RULE, duration_ms=0), [(0.25, BAD)])[0].alert_id == "alert-f660a679e105fb72"
