"""The budget of connections, and which sessions nobody would miss. Pure."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

# All logins of the service are members of this role and begin with its name.
SERVICE = "amas_app"
# Kept by the server for operators, exporters and the migration, as the configuration demands it.
RESERVE = 10
NEARLY_FULL = 0.9


@dataclass(frozen=True)
class Session:
    """One client's connection, as the database knows it."""

    pid: int
    backend_start: datetime
    role: str
    application: str
    address: str | None
    state: str
    state_s: float
    # By us: the backup's sessions and a superuser's are theirs to end, and one may hold a lock.
    may_be_ended: bool = True

    def is_of_service(self) -> bool:
        return self.role.startswith(SERVICE)


@dataclass(frozen=True)
class Replica:
    """A replica's pool for reads, as it tells it; it opens no more than its configured connections."""

    name: str
    open: int
    free: int
    awaited: int


@dataclass(frozen=True)
class Budget:
    """Replicas times pool may not exceed what the server gives; a roll has twice the replicas."""

    most: int
    replicas: int
    pool: int
    reserve: int = RESERVE

    @property
    def needed(self) -> int:
        return 2 * self.replicas * self.pool + self.reserve

    @property
    def holds(self) -> bool:
        return self.needed <= self.most

    @property
    def largest_pool(self) -> int:
        return max(0, self.most - self.reserve) // (2 * self.replicas)

    @property
    def most_replicas(self) -> int:
        """With this pool, while no roll is on."""
        return max(0, self.most - self.reserve) // self.pool

    def needed_with(self, replicas: int) -> int:
        """Connections while so many stand and a roll of the configured ones comes on top."""
        return (replicas + self.replicas) * self.pool + self.reserve


@dataclass(frozen=True)
class Holder:
    """Sessions that are alike."""

    role: str
    application: str
    state: str
    sessions: int
    longest_s: float


@dataclass(frozen=True)
class Check:
    """One line of the verdict."""

    name: str
    state: str
    value: str
    target: str


def holders(sessions: Sequence[Session]) -> list[Holder]:
    """Most sessions first."""
    alike: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in sessions:
        alike[one.role, one.application, one.state].append(one.state_s)
    found = [Holder(*key, len(ages), max(ages)) for key, ages in alike.items()]
    return sorted(found, key=lambda one: (-one.sessions, one.role, one.application, one.state))


def judge(budget: Budget, sessions: Sequence[Session], replicas: Sequence[Replica]) -> list[Check]:
    awaited = sum(one.awaited for one in replicas)
    held, left = len(sessions), budget.most - budget.reserve
    stuck = [one for one in sessions if one.state.startswith("idle in transaction")]
    return [
        Check("requests that wait", _state(awaited == 0), str(awaited), "0"),
        Check(
            "connections held", _state(held < NEARLY_FULL * left), str(held), f"< {NEARLY_FULL * left:.0f}"
        ),
        Check("budget in a roll", _state(budget.holds), str(budget.needed), f"<= {budget.most}"),
        Check("idle in transaction", _state(not stuck), str(len(stuck)), "0"),
    ]


def to_relieve(
    sessions: Sequence[Session], idle_s: float, living: Collection[str], *, pools: bool
) -> list[Session]:
    """Idle for longer than that. Those in pools of living replicas are held on purpose: only with `pools`."""
    return [
        one
        for one in sessions
        if one.may_be_ended
        and one.state == "idle"
        and one.state_s > idle_s
        and (pools or not is_pooled(one, living))
    ]


def is_pooled(session: Session, living: Collection[str]) -> bool:
    """A replica that has gone, with its address, leaves sessions nobody uses any more."""
    return session.is_of_service() and session.address in living


def proposals(budget: Budget, replicas: Sequence[Replica]) -> list[str]:
    """Commands, the mildest first; none while nobody waits and the budget holds."""
    awaited = any(one.awaited for one in replicas)
    if not budget.holds:
        return [f"./scripts/up --config dbMaxConnections={budget.needed}"]
    if not awaited:
        return []
    larger = min(budget.largest_pool, budget.pool + max(1, budget.pool // 2))
    if larger > budget.pool:
        return ["amas pool relieve", f"./scripts/up --config dbConnectionPoolSize={larger}"]
    wanted = budget.pool + max(1, budget.pool // 2)
    most = 2 * budget.replicas * wanted + budget.reserve
    raised = f"--config dbMaxConnections={most} --config dbConnectionPoolSize={wanted}"
    return ["amas pool relieve", f"./scripts/up {raised}"]


def _state(good: bool) -> str:
    return "ok" if good else "failed"
