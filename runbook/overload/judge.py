"""Whether the replicas are overloaded and what would give them room. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.engine import Container
from runbook.switches import Switch

# Limits of the rules overload-cpu, event-loop-lag and queue-depth.
CPU_LIMIT_PERCENT = 90.0
LAG_LIMIT_MS = 250.0
QUEUE_LIMIT = 500
COLLECTION = "disable-metrics-collection"
REASON = "amas overload"
# What can wait, the most expensive first, and what is missed while it does. The backup is never among
# them: what it receives makes an acknowledged decision durable.
CAN_WAIT = {
    "loadtest": "the load test ends without a verdict",
    "scheduler": "scheduled checks, proofs and reviews do not run",
    "db-exporter": "Prometheus has no figures of the database",
    "redis-exporter": "Prometheus has no figures of cache and queue",
    "host-exporter": "Prometheus has no figures of the host",
}


@dataclass(frozen=True)
class Load:
    """One replica, as it tells it."""

    replica: str
    # Unknown before the end of its first interval.
    cpu_percent: float | None
    lag_ms: float
    queue_rows: int
    rss_bytes: int

    @property
    def overloaded(self) -> bool:
        return (
            (self.cpu_percent or 0.0) > CPU_LIMIT_PERCENT
            or self.lag_ms > LAG_LIMIT_MS
            or self.queue_rows > QUEUE_LIMIT
        )


@dataclass(frozen=True)
class Host:
    """The machine the engine runs on; its load is of all that want a core, in the last minute."""

    cores: int
    load: float

    @property
    def full(self) -> bool:
        return self.load > self.cores


@dataclass(frozen=True)
class Relief:
    """One thing that can wait; `stopped` when it does already."""

    name: str
    missed: str
    stopped: bool


@dataclass(frozen=True)
class Seen:
    """One look at all of it."""

    loads: list[Load]
    host: Host
    throughput: float | None
    replicas: int
    most_replicas: int

    @property
    def overloaded(self) -> list[Load]:
        return [one for one in self.loads if one.overloaded]


def reliefs(containers: Sequence[Container], switches: Sequence[Switch]) -> list[Relief]:
    """Parts that are not there are not listed; the switch comes last."""
    lasting = [one for one in containers if not one.is_job or one.part == "loadtest"]
    parts = [
        Relief(part, missed, stopped=all(one.state != "running" for one in mine))
        for part, missed in CAN_WAIT.items()
        if (mine := [one for one in lasting if one.part == part])
    ]
    thrown = [
        Relief(COLLECTION, "no snapshot is taken: no history, no SLO table, no alert on them", one.on)
        for one in switches
        if one.name == COLLECTION
    ]
    return [*parts, *thrown]


def to_stop(found: Sequence[Relief], names: Sequence[str]) -> list[Relief]:
    """Those named, or all; none that waits already."""
    return [one for one in found if not one.stopped and (not names or one.name in names)]


def to_start(
    found: Sequence[Relief], names: Sequence[str], switches: Sequence[Switch]
) -> tuple[list[Relief], list[Relief]]:
    """What was stopped, and what was thrown for another reason than this page's and so stays."""
    waiting = [one for one in found if one.stopped and (not names or one.name in names)]
    ours = {one.name for one in switches if one.on and (one.reason or "").startswith(REASON)}
    kept = [one for one in waiting if one.name == COLLECTION and one.name not in ours]
    return [one for one in waiting if one not in kept], kept


def proposals(seen: Seen, found: Sequence[Relief]) -> list[str]:
    """Commands, the mildest first; none while nothing is overloaded."""
    if not seen.overloaded:
        return []
    proposed = ["amas overload --relieve"] if to_stop(found, ()) else []
    if seen.host.full:
        return [*proposed, "amas db slow"]
    if seen.replicas < seen.most_replicas:
        proposed.append(f"./scripts/up --config replicas={seen.replicas + 1}")
    return proposed


def why_not_more(seen: Seen) -> str | None:
    """What keeps a further replica from helping."""
    if not seen.overloaded:
        return None
    if seen.host.full:
        return (
            f"the host's {seen.host.cores} cores are all in use (load {seen.host.load:.1f}): "
            "a further replica would take its CPU from the others"
        )
    if seen.replicas >= seen.most_replicas:
        return f"the connections of the database allow no more than {seen.most_replicas} replicas"
    return None
