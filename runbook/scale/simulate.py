"""The decisions over a trace of load, on replicas that behave like the measured ones. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from runbook.scale.decide import Action, Blind, Decision, Replica, Rules, Signals, State, decide
from runbook.scale.traces import Trace

LOOK_EVERY_S = 10.0
START_S = 12.0
DRAIN_S = 5.0
# The objective of the runbook.
SLO_MS = 250.0
_MB = 1e6


@dataclass(frozen=True)
class Model:
    """One replica: requests a second of a full core, p95 without waiting, memory at first and at most."""

    requests: float = 900.0
    quick_ms: float = 12.0
    memory_mb: float = 110.0
    limit_mb: float = 512.0
    base_cpu_percent: float = 3.0


@dataclass(frozen=True)
class Point:
    """What stood at one look, and what was decided."""

    at: float
    load: float
    serving: int
    replicas: int
    cpu_percent: float
    p95_ms: float
    memory_percent: float
    decision: Decision


@dataclass(frozen=True)
class Verdict:
    """A run in figures; a turn is a growth after a shrink, or the other way round."""

    trace: str
    changes: int
    turns: int
    shortest_turn_s: float | None
    restarts: int
    most_replicas: int
    last_replicas: int
    slow_s: float
    slow_s_unscaled: float
    replica_hours: float
    replica_hours_at_most: float
    blind_changes: int


@dataclass
class _Standing:
    id: str
    burst: bool
    ready_at: float
    born_at: float


@dataclass
class _Cluster:
    """The twin of what the agent does: each takes a while to start, and leaks from then on."""

    trace: Trace
    model: Model
    least: int
    backlog: float = 0.0
    standing: list[_Standing] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        for _ in range(self.least):
            self._make(burst=False, ready_at=0.0, now=0.0)

    def _make(self, *, burst: bool, ready_at: float, now: float) -> None:
        self.made += 1
        self.standing.append(_Standing(f"r{self.made}", burst, ready_at, now))

    def serving(self, now: float) -> list[_Standing]:
        return [one for one in self.standing if one.ready_at <= now]

    def memory_percent(self, one: _Standing, now: float) -> float:
        leaked = self.trace.leak_mb_per_h * (now - one.born_at) / 3600
        return 100 * (self.model.memory_mb + leaked) / self.model.limit_mb

    def pressed(self, now: float, length_s: float) -> tuple[float, float, float]:
        """CPU of a replica, p95 and queue age, after so long under the load of this moment."""
        most = max(1, len(self.serving(now))) * self.model.requests
        load = self.trace.load(now)
        # Clients give up after half a minute, so no more than that ever waits.
        self.backlog = min(max(0.0, self.backlog + (load - most) * length_s), 30 * most)
        use = min(1.0, load / most) if not self.backlog else 1.0
        waits_ms = 1000 * self.backlog / most
        # A queue with one server a replica: the time in it grows with 1 / (1 - use).
        p95_ms = self.model.quick_ms / max(0.02, 1 - use) + waits_ms
        return (
            self.model.base_cpu_percent + (100 - self.model.base_cpu_percent) * use,
            p95_ms,
            waits_ms / 1000,
        )

    def obey(self, decision: Decision, now: float) -> None:
        match decision.action:
            case Action.GROW:
                self._make(burst=True, ready_at=now + START_S, now=now)
            case Action.SHRINK | Action.SWEEP:
                self.standing.remove(next(one for one in reversed(self.standing) if one.burst))
            case Action.RESTART:
                one = next(one for one in self.standing if one.id == decision.replica)
                one.ready_at, one.born_at = now + DRAIN_S + START_S, now + DRAIN_S


def simulated(trace: Trace, rules: Rules, model: Model | None = None) -> list[Point]:
    """One point a look."""
    return list(_points(trace, rules, model or Model()))


def _points(trace: Trace, rules: Rules, model: Model) -> Iterator[Point]:
    cluster, state, now = _Cluster(trace, model, rules.least), State(), 0.0
    while now < trace.length_s:
        cpu, p95_ms, queue_age_s = cluster.pressed(now, LOOK_EVERY_S)
        seen = Signals(_reported(cluster, cpu, now), p95_ms, queue_age_s)
        decision, state = decide(Blind("outage") if trace.is_blind(now) else seen, state, rules, now)
        fullest = max(cluster.memory_percent(one, now) for one in cluster.standing)
        counts = len(cluster.serving(now)), len(cluster.standing)
        yield Point(now, trace.load(now), *counts, cpu, p95_ms, fullest, decision)
        cluster.obey(decision, now)
        now += LOOK_EVERY_S


def _reported(cluster: _Cluster, cpu: float, now: float) -> tuple[Replica, ...]:
    found = []
    for one in cluster.standing:
        healthy = one.ready_at <= now
        told = (cpu, cluster.memory_percent(one, now)) if healthy else (None, None)
        found.append(Replica(one.id, one.burst, healthy, False, *told))
    return tuple(found)


def judged(trace: Trace, rules: Rules, points: Sequence[Point]) -> Verdict:
    unscaled = simulated(trace, replace(rules, most=rules.least))
    steps = [one for one in points if one.decision.action in {Action.GROW, Action.SHRINK}]
    turns = [
        late.at - early.at
        for early, late in pairwise(steps)
        if early.decision.action is not late.decision.action
    ]
    hours = sum(one.replicas for one in points) * LOOK_EVERY_S / 3600
    return Verdict(
        trace.name,
        changes=len(steps),
        turns=len(turns),
        shortest_turn_s=min(turns, default=None),
        restarts=sum(one.decision.action is Action.RESTART for one in points),
        most_replicas=max(one.replicas for one in points),
        last_replicas=points[-1].replicas,
        slow_s=_slow_s(points),
        slow_s_unscaled=_slow_s(unscaled),
        replica_hours=round(hours, 1),
        replica_hours_at_most=round(rules.most * trace.length_s / 3600, 1),
        blind_changes=sum(
            trace.is_blind(one.at) and one.decision.action is not Action.HOLD for one in points
        ),
    )


def _slow_s(points: Sequence[Point]) -> float:
    """How long the objective of the runbook was missed."""
    return LOOK_EVERY_S * sum(one.p95_ms > SLO_MS for one in points)
