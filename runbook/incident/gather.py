"""What the stack tells of an incident: alerts and metrics, as far as it still answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.alerts import active, past
from runbook.api import Api
from runbook.errors import AmasError
from runbook.health import asked
from runbook.incident.record import Seen, Severity
from runbook.moments import moment
from runbook.present import ROUTE, Missing, present_in

MOST_EVENTS = 200
EMERGENCIES = frozenset({"data-loss", "outage"})
WORST = ("critical", "high", "medium", "low")
SEVERITIES = {
    "critical": Severity.HIGH,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}
# Shown in the incident; those of the rules that fire come besides.
METRICS = (
    "http.throughput",
    "http.latency.p95",
    "http.latency.p99",
    "http.error_rate.5xx",
    "decision.latency.p99",
    "cache.hit_rate",
    "queue.size",
    "db.pool.utilization",
    "spool.length",
    "process.cpu",
    "replicas.live",
)


@dataclass(frozen=True)
class Told:
    """`reason` says why there is nothing where the service did not answer."""

    firing: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    values: Mapping[str, float] | None = None
    reason: str = ""


def gather(api: Api) -> Told:
    """An outage is when an incident is written: what cannot be asked ends nothing."""
    try:
        firing, events = active(api), past(api, MOST_EVENTS)
    except AmasError as reason:
        return Told(reason=reason.message)
    present = present_in(asked(lambda: api.read(ROUTE)))
    if isinstance(present, Missing):
        return Told(firing, events, None, present.reason)
    return Told(firing, events, {name: one.value for name, one in present.items()})


def began(told: Told, now: datetime) -> datetime:
    """With the first of the worst alerts: a slight one may have fired since yesterday."""
    worst = _worst(told)
    return min((moment(one["occurredAt"]) for one in told.firing if one["severity"] == worst), default=now)


def severity(told: Told) -> Severity:
    """Of the worst alert; a service that does not answer is High."""
    worst = _worst(told)
    return SEVERITIES[worst] if worst else Severity.HIGH if told.reason else Severity.LOW


def _worst(told: Told) -> str | None:
    levels = {one["severity"] for one in told.firing}
    return next((one for one in WORST if one in levels), None)


def emergency(told: Told) -> bool:
    return any(
        one["severity"] == "critical" and one.get("labels", {}).get("class") in EMERGENCIES
        for one in told.firing
    )


def symptoms(told: Told) -> list[str]:
    lines = [f"the service did not answer: {told.reason}"] if told.reason else []
    for one in told.firing:
        value = "no data" if one["value"] is None else f"{one['value']:g}"
        limit = f"limit {one['operator']} {one['threshold']:g}"
        lines.append(f"{one['message']} ({one['metric']} = {value}, {limit})")
    count = len(told.firing)
    return [*lines, "1 alert fired" if count == 1 else f"{count} alerts fired"] if count else lines


def metrics(told: Told, as_well: Iterable[str] = ()) -> dict[str, float]:
    if told.values is None:
        return {}
    wanted = (*METRICS, *(str(one["metric"]) for one in told.firing), *as_well)
    return {name: told.values[name] for name in dict.fromkeys(wanted) if name in told.values}


def seen(told: Told, since: datetime) -> list[Seen]:
    """Transitions from then on, and the beginnings of what fires."""
    events = [
        *(one for one in told.events if moment(one["occurredAt"]) >= since),
        *({**one, "status": "firing"} for one in told.firing),
    ]
    return [
        Seen(
            at=one["occurredAt"],
            id=one["id"],
            rule=one["ruleId"],
            status=one["status"],
            severity=one["severity"],
            message=one["message"],
        )
        for one in events
    ]
