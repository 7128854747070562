"""What is decided, case by case, and what holds for every history of looks."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.scale.decide import (
    Action,
    Blind,
    Decision,
    Order,
    Replica,
    Rules,
    Signals,
    State,
    decide,
    most_replicas,
)

RULES = Rules(least=1, most=4)
EVERY_S = 30.0
BASE = Replica("base0", cpu_percent=10, memory_percent=20)
BURST = Replica("burst0", burst=True, cpu_percent=10, memory_percent=20)
CALM = Signals((BASE, BURST), p95_ms=20)
BUSY = Signals((replace(BASE, cpu_percent=90),), p95_ms=50)


def looks(
    seen: Signals | Blind,
    for_s: float,
    state: State | None = None,
    begin: float = 0.0,
    rules: Rules = RULES,
    order: Order | None = None,
) -> tuple[list[tuple[float, Decision]], State]:
    """The same look again and again, with nothing done; each decision with its time."""
    told, state, now = [], state or State(), begin
    while now <= begin + for_s:
        decision, state = decide(seen, state, rules, now, order)
        told.append((now, decision))
        now += EVERY_S
    return told, state


def first(told: list[tuple[float, Decision]], action: Action) -> float | None:
    return next((at for at, decision in told if decision.action is action), None)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (BUSY, "cpu 90 % > 70 %"),
        (Signals((BASE,), p95_ms=201), "p95 201 ms > 200 ms"),
        (Signals((BASE,), queue_age_s=6), "queue age 6.0 s > 5.0 s"),
    ],
    ids=["cpu", "latency", "queue"],
)
def test_a_trigger_that_holds_for_five_minutes_asks_for_one_more(seen: Signals, words: str) -> None:
    told, _ = looks(seen, 300)
    assert first(told, Action.GROW) == 300
    assert told[-1][1].reason == f"{words} for 300 s"


def test_a_trigger_that_paused_begins_anew() -> None:
    _, state = looks(BUSY, 270)
    _, state = decide(Signals((BASE,)), state, RULES, 300)
    told, _ = looks(BUSY, 300, state, begin=330)
    assert first(told, Action.GROW) == 630


def test_a_gap_of_one_look_does_not_end_a_trigger_and_a_long_one_does() -> None:
    _, state = looks(BUSY, 240)
    assert decide(Blind("late"), state, RULES, 270)[1] == state
    assert decide(BUSY, state, RULES, 300)[0].action is Action.GROW
    assert decide(BUSY, state, RULES, 301)[0].action is Action.HOLD


def test_the_next_one_comes_after_the_cooldown() -> None:
    told, _ = looks(BUSY, 600)
    assert [at for at, decision in told if decision.action is Action.GROW] == [300, 420, 540]


def slow(p95_ms: float, cpu: float = 20.0) -> Signals:
    return Signals((replace(BASE, cpu_percent=cpu),), p95_ms=p95_ms)


def test_where_one_more_did_not_help_no_further_comes_while_it_is_slow() -> None:
    told, state = looks(slow(500), 1200)
    assert [at for at, decision in told if decision.action is Action.GROW] == [300]
    assert told[-1][1].reason.endswith("but the last one did not help: it is not the replicas that are short")
    _, state = decide(slow(50), state, RULES, 1230)
    told, _ = looks(slow(500), 300, state, begin=1260)
    assert first(told, Action.GROW) == 1560


def test_where_it_helped_or_the_cpu_is_short_a_further_one_comes() -> None:
    _, state = looks(slow(500), 390)
    assert decide(slow(440), state, RULES, 420)[0].action is Action.GROW
    told, _ = looks(slow(500, cpu=90), 600)
    assert [at for at, decision in told if decision.action is Action.GROW] == [300, 420, 540]


def test_at_the_ceiling_nothing_more_is_asked_for_and_it_says_so() -> None:
    told, _ = looks(BUSY, 600, rules=replace(RULES, most=1))
    assert {decision.action for _, decision in told} == {Action.HOLD}
    assert told[-1][1].reason == "cpu 90 % > 70 % for 600 s, but 1 is the most there may be"


def test_a_database_that_is_away_is_not_helped_by_one_more() -> None:
    told, _ = looks(replace(BUSY, database_up=False), 600)
    assert {decision.action for _, decision in told} == {Action.HOLD}
    assert "database is away" in told[-1][1].reason


def test_one_less_comes_after_a_long_calm() -> None:
    told, _ = looks(CALM, 1200)
    assert first(told, Action.SHRINK) == 900


@pytest.mark.parametrize(
    "seen",
    [
        Signals((replace(BASE, cpu_percent=30), replace(BURST, cpu_percent=30)), p95_ms=20),
        replace(CALM, p95_ms=121),
        replace(CALM, queue_age_s=2.6),
        Signals((BASE, replace(BURST, cpu_percent=None)), p95_ms=20),
        Signals((replace(BASE, healthy=False), BURST), p95_ms=20),
        Signals((BASE,), p95_ms=20),
    ],
    ids=["cpu of those left", "latency", "queue", "one does not report", "one is ill", "no burst"],
)
def test_what_is_not_calm_never_shrinks(seen: Signals) -> None:
    told, _ = looks(seen, 3600)
    assert first(told, Action.SHRINK) is None


def test_blind_holds_and_says_why() -> None:
    _, state = looks(CALM, 1000)
    decision, _ = decide(Blind("no answer"), state, RULES, 5000)
    assert decision == Decision(Action.HOLD, "blind: no answer")


def test_a_release_on_its_way_is_left_alone() -> None:
    two = Signals((BUSY.replicas[0], replace(BASE, id="base1", cpu_percent=90)))
    told, _ = looks(two, 600)
    assert {decision.reason for _, decision in told} == {"a release is on its way"}
    told, _ = looks(replace(BUSY, rolling=True), 600)
    assert {decision.action for _, decision in told} == {Action.HOLD}


@pytest.mark.parametrize(
    ("burst", "rules", "words"),
    [
        (replace(BURST, stale=True), RULES, "earlier release"),
        (BURST, replace(RULES, most=1), "1 is the most"),
    ],
    ids=["stale", "too many"],
)
def test_a_useless_burst_is_swept_at_once(burst: Replica, rules: Rules, words: str) -> None:
    decision, state = decide(Signals((BASE, burst)), State(), rules, 0)
    assert decision.action is Action.SWEEP
    assert words in decision.reason
    assert (state.changed_at, state.direction) == (0, 0)


def test_nothing_is_decided_while_one_is_starting() -> None:
    told, _ = looks(Signals((BUSY.replicas[0], replace(BURST, healthy=False))), 150)
    assert {decision.reason for _, decision in told} == {"burst0 is starting"}


def test_a_burst_that_does_not_become_healthy_is_swept() -> None:
    told, _ = looks(Signals((BASE, replace(BURST, healthy=False))), 180)
    assert first(told, Action.SWEEP) == 180
    assert told[-1][1].reason == "burst0 was not healthy within 180 s"


def test_a_configured_replica_that_is_ill_keeps_no_other_from_coming() -> None:
    ill = replace(BASE, id="base1", healthy=False, cpu_percent=None)
    told, _ = looks(Signals((BUSY.replicas[0], ill)), 300, rules=replace(RULES, least=2))
    assert first(told, Action.GROW) == 300


HEAVY = replace(BASE, id="base1", memory_percent=85)


def test_memory_over_four_fifths_restarts_that_replica_after_five_minutes() -> None:
    rules = replace(RULES, least=2)
    told, state = looks(Signals((BASE, HEAVY)), 300, rules=rules)
    assert first(told, Action.RESTART) == 300
    assert told[-1][1].replica == "base1"
    assert "base1 has used 85 % of its memory" in told[-1][1].reason
    assert state.restarted_at == 300


def test_replicas_are_restarted_one_at_a_time_the_fullest_first() -> None:
    rules = replace(RULES, least=2)
    both = Signals((replace(BASE, memory_percent=81), HEAVY))
    told, state = looks(both, 390, rules=rules)
    assert [(at, one.replica) for at, one in told if one.action is Action.RESTART] == [(300, "base1")]
    one_down = Signals((replace(BASE, memory_percent=81), replace(HEAVY, healthy=False, memory_percent=None)))
    assert decide(one_down, state, rules, 420)[0].action is Action.HOLD
    back = Signals((replace(BASE, memory_percent=81), replace(HEAVY, memory_percent=10)))
    assert decide(back, state, rules, 450)[0].replica == "base0"


@pytest.mark.parametrize(
    ("slow_ms", "order"),
    [(500.0, None), (20.0, Order(2, until=9000))],
    ids=["one more did not help", "an order"],
)
def test_neither_a_trigger_that_waits_nor_an_order_keeps_a_full_replica_running(
    slow_ms: float, order: Order | None
) -> None:
    seen = Signals((BASE, HEAVY), p95_ms=slow_ms)
    told, _ = looks(seen, 600, rules=replace(RULES, least=2), order=order)
    assert first(told, Action.RESTART) is not None


def test_nothing_is_restarted_that_would_not_find_the_database() -> None:
    told, _ = looks(Signals((BASE, HEAVY), database_up=False), 600, rules=replace(RULES, least=2))
    assert {decision.action for _, decision in told} == {Action.HOLD}
    assert told[-1][1].reason.endswith("the database is away: it would not come back")


def test_a_single_replica_is_restarted_only_beside_another() -> None:
    told, _ = looks(Signals((HEAVY,)), 300)
    assert told[-1][1].action is Action.GROW
    assert "one more serves while it restarts" in told[-1][1].reason
    told, _ = looks(Signals((HEAVY,)), 600, rules=replace(RULES, most=1))
    assert {decision.action for _, decision in told} == {Action.HOLD}


def test_an_order_is_followed_within_the_bounds_until_it_ends() -> None:
    ordered = Order(9, until=100)
    assert decide(CALM, State(), RULES, 0, ordered)[0].action is Action.GROW
    assert decide(CALM, State(), RULES, 100, ordered)[0].action is Action.HOLD
    four = Signals((BASE, *(replace(BURST, id=f"b{n}") for n in range(3))))
    assert decide(four, State(), RULES, 0, ordered)[0].action is Action.HOLD
    assert decide(four, State(), RULES, 0, Order(0, until=100))[0].action is Action.SHRINK


def test_an_order_the_other_way_waits_for_the_cooldown() -> None:
    _, state = decide(CALM, State(), RULES, 0, Order(4, until=1000))
    assert decide(CALM, state, RULES, 30, Order(1, until=1000))[0].action is Action.HOLD
    assert decide(CALM, state, RULES, 120, Order(1, until=1000))[0].action is Action.SHRINK


@given(
    places=st.integers(2, 16),
    most=st.integers(20, 1000),
    pool=st.integers(6, 200),
    least=st.integers(1, 8),
)
def test_the_ceiling_leaves_room_for_a_roll(places: int, most: int, pool: int, least: int) -> None:
    ceiling = most_replicas(places, most, 10, pool, least)
    assert ceiling >= least
    if ceiling > least:
        assert (ceiling + least) * pool <= most - 10
        assert ceiling + least <= places


# Whatever is seen, and whether the agent does as it is asked or not.

percents = st.one_of(st.none(), st.floats(0, 120))


@dataclass
class World:
    """Replicas that come and go as decided; what they report is drawn anew for each look."""

    replicas: list[Replica] = field(default_factory=lambda: [Replica("base0")])
    made: int = 0

    def obey(self, decision: Decision) -> None:
        if decision.action is Action.GROW:
            self.made += 1
            self.replicas.append(Replica(f"burst{self.made}", burst=True))
        elif decision.action in {Action.SHRINK, Action.SWEEP}:
            self.replicas.remove(next(one for one in reversed(self.replicas) if one.burst))


Reports = list[tuple[float | None, float | None, bool]]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, dict[str, Any] | None, Reports]]:
    step = st.tuples(
        st.floats(1, 200),
        st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {
                    "p95_ms": st.one_of(st.none(), st.floats(0, 1000)),
                    "queue_age_s": st.floats(0, 20),
                    "database_up": st.booleans(),
                }
            ),
        ),
        st.lists(st.tuples(percents, percents, st.booleans()), min_size=6, max_size=6),
    )
    # Long stretches of the same, or nothing would ever last.
    stretches = draw(st.lists(st.tuples(step, st.integers(1, 30)), min_size=1, max_size=12))
    return [one for one, times in stretches for _ in range(times)]


@given(
    history=histories(),
    rules=st.builds(
        Rules,
        least=st.just(1),
        most=st.integers(1, 6),
        out_after_s=st.floats(10, 300),
        in_after_s=st.floats(10, 900),
        cooldown_s=st.floats(10, 300),
    ),
    obeys=st.booleans(),
)
def test_whatever_is_seen_the_bounds_hold(
    history: list[tuple[float, dict[str, Any] | None, Reports]], rules: Rules, obeys: bool
) -> None:
    world, state, now = World(), State(), 0.0
    turns: list[float] = []
    direction = 0
    restarts: list[float] = []
    for wait_s, whole, reports in history:
        now += wait_s
        told = tuple(
            replace(one, cpu_percent=cpu, memory_percent=memory, healthy=healthy)
            for one, (cpu, memory, healthy) in zip(world.replicas, reports, strict=False)
        )
        seen = Blind("away") if whole is None else Signals(told, **whole)
        decision, state = decide(seen, state, rules, now)
        if isinstance(seen, Blind):
            assert decision.action is Action.HOLD
        if decision.action in {Action.SHRINK, Action.RESTART}:
            assert all(one.healthy for one in told)
        if decision.action is Action.SHRINK:
            assert all(one.cpu_percent is not None for one in told)
        if decision.action in {Action.GROW, Action.SHRINK}:
            heading = 1 if decision.action is Action.GROW else -1
            if direction not in {0, heading}:
                turns.append(now)
            direction = heading
        if decision.action is Action.RESTART:
            restarts.append(now)
        if obeys:
            world.obey(decision)
        assert rules.least <= len(world.replicas) <= rules.most
    for moments in (turns, restarts):
        assert all(late - early >= rules.cooldown_s for early, late in pairwise(moments))


def test_the_bounds_are_tried_on_histories_that_grow_and_shrink() -> None:
    """Else the properties above would hold of decisions that never come."""
    told, state = looks(BUSY, 300)
    assert told[-1][1].action is Action.GROW
    told, _ = looks(CALM, 1000, state, begin=330)
    assert first(told, Action.SHRINK) == 1230
