"""One look, one step: a replica more, one less, a restart, or nothing. Pure; `now` only ever grows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

GROWING, SHRINKING = 1, -1
# Fewer replicas must leave them this far below the trigger, or the next look would ask for one more.
CALM_CPU = 0.7
CALM_LATENCY = 0.6
CALM_QUEUE = 0.5
# A replica that helped brought what it came for down by this much. Where it is not the replicas that are
# short of something, but the database or the host's cores, each further one makes it worse.
HELPED = 0.9
CPU, LATENCY, QUEUE, CALM = "cpu", "latency", "queue", "calm"
TRIGGERS = (CPU, LATENCY, QUEUE)
_MEMORY, _ILL = "memory:", "ill:"


class Action(StrEnum):
    """What the agent is asked for. A sweep takes away a burst replica that serves nobody's purpose."""

    GROW = "grow"
    SHRINK = "shrink"
    SWEEP = "sweep"
    RESTART = "restart"
    HOLD = "hold"


@dataclass(frozen=True)
class Replica:
    """As the engine has it and as it reports itself; None of what it did not report."""

    id: str
    burst: bool = False
    healthy: bool = True
    # Made from what the configured replicas no longer are.
    stale: bool = False
    cpu_percent: float | None = None
    memory_percent: float | None = None

    @property
    def reports(self) -> bool:
        return self.cpu_percent is not None


@dataclass(frozen=True)
class Signals:
    """One look at the whole. `p95_ms` is None when too few requests came to tell."""

    replicas: tuple[Replica, ...]
    p95_ms: float | None = None
    queue_age_s: float = 0.0
    database_up: bool = True
    # The configured replicas are not all alike: a release is on its way.
    rolling: bool = False

    @property
    def burst(self) -> list[Replica]:
        return [one for one in self.replicas if one.burst]

    @property
    def cpu_percent(self) -> float | None:
        """Of one core, on average: a single busy replica is not helped by another."""
        told = [one.cpu_percent for one in self.replicas if one.cpu_percent is not None]
        return sum(told) / len(told) if told else None


@dataclass(frozen=True)
class Blind:
    """Why nothing could be seen."""

    reason: str


@dataclass(frozen=True)
class Rules:
    """The bounds, and what has to hold for how long before something is done."""

    least: int
    most: int
    cpu_percent: float = 70.0
    latency_ms: float = 200.0
    queue_age_s: float = 5.0
    memory_percent: float = 80.0
    out_after_s: float = 300.0
    in_after_s: float = 900.0
    # Between two changes; it is what keeps the direction from turning twice.
    cooldown_s: float = 120.0
    # A gap between two looks beyond which nothing counts as having lasted.
    blind_after_s: float = 60.0
    start_within_s: float = 180.0


@dataclass(frozen=True)
class Order:
    """What an operator asked for, until when."""

    replicas: int
    until: float


@dataclass(frozen=True)
class State:
    """What is remembered from look to look."""

    seen_at: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)
    changed_at: float | None = None
    direction: int = 0
    # What stood against a trigger when a replica was last made for it, for as long as the trigger holds.
    tried: Mapping[str, float] = field(default_factory=dict)
    restarted_at: float | None = None


@dataclass(frozen=True)
class Decision:
    """`replica` is set for a restart alone, `trigger` where one more comes for latency or queue age."""

    action: Action
    reason: str
    replica: str | None = None
    trigger: str | None = None


Step = tuple[Decision, State]


def decide(seen: Signals | Blind, state: State, rules: Rules, now: float, order: Order | None = None) -> Step:
    """The first of these that has a say; a look that shows too little changes nothing."""
    if isinstance(seen, Blind):
        return hold(f"blind: {seen.reason}"), state
    state = looked(seen, state, rules, now)
    look = _Look(seen, state, rules, now, order)
    found = look.unsettled() or look.wanted() or hold(look.calm_words())
    return found, after(found, state, seen, now)


def hold(reason: str) -> Decision:
    return Decision(Action.HOLD, reason)


def most_replicas(places: int, most_connections: int, reserve: int, pool: int, least: int) -> int:
    """So many that a roll of the configured ones still fits, in the balancer's places and the connections."""
    return max(least, min(places, (most_connections - reserve) // pool) - least)


def looked(seen: Signals, state: State, rules: Rules, now: float) -> State:
    """Since when each condition has held, without a gap in what was seen."""
    unbroken = state.seen_at is not None and now - state.seen_at <= rules.blind_after_s
    before = state.since if unbroken else {}
    since = {name: before.get(name, now) for name in conditions(seen, rules)}
    tried = {name: value for name, value in state.tried.items() if name in since}
    return replace(state, seen_at=now, since=since, tried=tried)


def conditions(seen: Signals, rules: Rules) -> Iterator[str]:
    """What holds in this look."""
    cpu = seen.cpu_percent
    if cpu is not None and cpu > rules.cpu_percent:
        yield CPU
    if seen.p95_ms is not None and seen.p95_ms > rules.latency_ms:
        yield LATENCY
    if seen.queue_age_s > rules.queue_age_s:
        yield QUEUE
    if is_calm(seen, rules):
        yield CALM
    for one in seen.replicas:
        if one.memory_percent is not None and one.memory_percent > rules.memory_percent:
            yield _MEMORY + one.id
        if one.burst and not one.healthy:
            yield _ILL + one.id


def is_calm(seen: Signals, rules: Rules) -> bool:
    """One replica less would still be far from every trigger. Not so where one does not report."""
    left = len(seen.replicas) - 1
    if left < 1 or not all(one.reports and one.healthy for one in seen.replicas):
        return False
    projected = sum(one.cpu_percent or 0.0 for one in seen.replicas) / left
    return (
        projected <= CALM_CPU * rules.cpu_percent
        and (seen.p95_ms is None or seen.p95_ms <= CALM_LATENCY * rules.latency_ms)
        and seen.queue_age_s <= CALM_QUEUE * rules.queue_age_s
        and all((one.memory_percent or 0.0) <= rules.memory_percent for one in seen.replicas)
    )


def pressure(seen: Signals, trigger: str) -> float:
    """What stands against it now."""
    return (seen.p95_ms or 0.0) if trigger == LATENCY else seen.queue_age_s


def after(decision: Decision, state: State, seen: Signals, now: float) -> State:
    """A step that fails counts like one that was taken: it is tried again only after the cooldown."""
    match decision.action:
        case Action.GROW:
            name = decision.trigger
            tried = {**state.tried, name: pressure(seen, name)} if name else state.tried
            return replace(state, changed_at=now, direction=GROWING, tried=tried)
        case Action.SHRINK:
            return replace(state, changed_at=now, direction=SHRINKING)
        case Action.SWEEP:
            return replace(state, changed_at=now)
        case Action.RESTART:
            kept = {name: at for name, at in state.since.items() if name != f"{_MEMORY}{decision.replica}"}
            return replace(state, restarted_at=now, since=kept)
    return state


@dataclass(frozen=True)
class _Look:
    """What a decision is made from; each step answers a decision, or None to leave it to the next."""

    seen: Signals
    state: State
    rules: Rules
    now: float
    order: Order | None

    @property
    def count(self) -> int:
        return len(self.seen.replicas)

    def unsettled(self) -> Decision | None:
        """While replicas come or go by other hands, or a burst is starting, nothing is measured.

        A configured replica that is ill is no reason to wait: the others carry its load.
        """
        if self.seen.rolling or self.count - len(self.seen.burst) > self.rules.least:
            return hold("a release is on its way")
        useless = self._useless()
        if useless is not None:
            return Decision(Action.SWEEP, useless)
        starting = [one.id for one in self.seen.burst if not one.healthy]
        return hold(f"{starting[0]} is starting") if starting else None

    def wanted(self) -> Decision | None:
        """A restart changes no number: neither an order nor a trigger that waits stands against it."""
        asked, heavy = self.ordered() or self.needed(), self.heavy()
        may_restart = heavy is not None and heavy.action is Action.RESTART
        if asked is None or (asked.action is Action.HOLD and may_restart):
            return heavy or self.idle()
        return asked

    def ordered(self) -> Decision | None:
        """An operator's word, within the bounds, for as long as it was given."""
        order, cooldown_s = self.order, self.rules.cooldown_s
        if order is None or self.now >= order.until:
            return None
        wanted = min(max(order.replicas, self.rules.least), self.rules.most)
        why = f"ordered: {wanted} for another {order.until - self.now:.0f} s"
        if self.count == wanted:
            return hold(why)
        direction = GROWING if wanted > self.count else SHRINKING
        waits = self._cooling(cooldown_s) if self.state.direction not in {0, direction} else None
        if waits:
            return hold(f"{why}; the last change was {waits}")
        if direction == GROWING:
            return Decision(Action.GROW, why)
        return Decision(Action.SHRINK, why) if self.seen.burst and self._all_report() else hold(why)

    def needed(self) -> Decision | None:
        """One more, where a trigger has held for long enough."""
        fired = [name for name in TRIGGERS if self._lasted(name) >= self.rules.out_after_s]
        if not fired:
            return None
        why = f"{self._words(fired[0])} for {self._lasted(fired[0]):.0f} s"
        if self.count >= self.rules.most:
            return hold(f"{why}, but {self.count} is the most there may be")
        if not self.seen.database_up:
            return hold(f"{why}, but the database is away: one more would not help")
        waits = self._cooling(self.rules.cooldown_s)
        if waits:
            return hold(f"{why}; the last change was {waits}")
        trigger = fired[0] if fired[0] != CPU else None
        if trigger and pressure(self.seen, trigger) > HELPED * self.state.tried.get(trigger, math.inf):
            return hold(f"{why}, but the last one did not help: it is not the replicas that are short")
        return Decision(Action.GROW, why, trigger=trigger)

    def heavy(self) -> Decision | None:
        """A restart of the one that holds too much memory, when another serves meanwhile."""
        worst = self._heaviest()
        if worst is None:
            return None
        why = f"{worst.id} has used {worst.memory_percent:.0f} % of its memory"
        if self.state.restarted_at is not None and self.now - self.state.restarted_at < self.rules.cooldown_s:
            return hold(f"{why}; another was restarted {self.now - self.state.restarted_at:.0f} s ago")
        if not self.seen.database_up:  # a replica opens its connections before it serves
            return hold(f"{why}, but the database is away: it would not come back")
        if self.count > 1 and all(one.healthy for one in self.seen.replicas):
            return Decision(Action.RESTART, why, worst.id)
        if self.count > 1 or self.count >= self.rules.most or self._cooling(self.rules.cooldown_s):
            return hold(f"{why}, and no other could serve meanwhile")
        return Decision(Action.GROW, f"{why}: one more serves while it restarts")

    def idle(self) -> Decision | None:
        """One less, only on what all of them reported."""
        calm_s = self._lasted(CALM)
        if not self.seen.burst or self.count <= self.rules.least or calm_s < self.rules.in_after_s:
            return None
        waits = self._cooling(max(self.rules.in_after_s, self.rules.cooldown_s))
        if waits:
            return hold(f"calm for {calm_s:.0f} s; the last change was {waits}")
        return Decision(Action.SHRINK, f"calm for {calm_s:.0f} s")

    def calm_words(self) -> str:
        running = [name for name in TRIGGERS if name in self.state.since]
        if running:
            return f"{self._words(running[0])} for {self._lasted(running[0]):.0f} s"
        return f"calm for {self._lasted(CALM):.0f} s" if CALM in self.state.since else "no trigger holds"

    def _useless(self) -> str | None:
        if any(one.stale for one in self.seen.burst):
            return "a burst replica is of an earlier release"
        # By what was seen, not by its age: one that ends again and again is always young.
        ill = [one for one in self.seen.burst if self._lasted(_ILL + one.id) >= self.rules.start_within_s]
        if ill:
            return f"{ill[0].id} was not healthy within {self.rules.start_within_s:.0f} s"
        if self.count > self.rules.most and self.seen.burst:
            return f"{self.rules.most} is the most there may be"
        return None

    def _heaviest(self) -> Replica | None:
        heavy = [
            one
            for one in self.seen.replicas
            if one.memory_percent is not None and self._lasted(_MEMORY + one.id) >= self.rules.out_after_s
        ]
        return max(heavy, key=lambda one: one.memory_percent or 0.0, default=None)

    def _all_report(self) -> bool:
        return all(one.reports and one.healthy for one in self.seen.replicas)

    def _lasted(self, name: str) -> float:
        return self.now - self.state.since[name] if name in self.state.since else -1.0

    def _cooling(self, length_s: float) -> str | None:
        if self.state.changed_at is None or self.now - self.state.changed_at >= length_s:
            return None
        return f"{self.now - self.state.changed_at:.0f} s ago"

    def _words(self, trigger: str) -> str:
        seen, rules = self.seen, self.rules
        return {
            CPU: f"cpu {seen.cpu_percent or 0.0:.0f} % > {rules.cpu_percent:.0f} %",
            LATENCY: f"p95 {seen.p95_ms or 0.0:.0f} ms > {rules.latency_ms:.0f} ms",
            QUEUE: f"queue age {seen.queue_age_s:.1f} s > {rules.queue_age_s:.1f} s",
        }[trigger]
