"""One incident as it is kept; times are UTC. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from runbook.moments import moment, readable


class Severity(StrEnum):
    """The template's three."""

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


@dataclass(frozen=True)
class Note:
    """One line of the timeline."""

    at: str
    by: str
    text: str


@dataclass(frozen=True)
class Seen:
    """An alert that began or ended meanwhile."""

    at: str
    id: str
    rule: str
    status: str
    severity: str
    message: str


@dataclass(frozen=True)
class Incident:
    """`before` are the metrics at its opening, `after` those at its closing."""

    id: str
    stack: str
    title: str
    severity: Severity
    started: str
    opened_by: str
    symptoms: tuple[str, ...] = ()
    alerts: tuple[Seen, ...] = ()
    notes: tuple[Note, ...] = ()
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    users_affected: bool = False
    emergency: bool = False
    resolved: str | None = None
    closed_by: str = ""
    cause: str = ""
    resolution: tuple[str, ...] = ()
    prevention: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.resolved is None

    def lasted(self, now: datetime) -> timedelta:
        """Until its end, or until now."""
        return (moment(self.resolved) if self.resolved else now) - moment(self.started)


def noted(incident: Incident, note: Note) -> Incident:
    return replace(incident, notes=(*incident.notes, note))


def closed(
    incident: Incident, resolved: datetime, seen: Sequence[Seen], after: Mapping[str, float]
) -> Incident:
    return replace(
        incident,
        resolved=resolved.isoformat(),
        after=after,
        alerts=tuple(merged(incident.alerts, seen)),
    )


def merged(known: Sequence[Seen], newer: Sequence[Seen]) -> list[Seen]:
    """Each transition once, by time."""
    once = {(one.id, one.status): one for one in (*known, *newer)}
    return sorted(once.values(), key=lambda one: (moment(one.at), one.id))


def timeline(incident: Incident) -> list[Note]:
    """Beginning, alerts, notes and end, by time."""
    alerts = [Note(one.at, "alert", f"{one.rule} {one.status} ({one.severity})") for one in incident.alerts]
    entries = [Note(incident.started, incident.opened_by, "began"), *alerts, *incident.notes]
    if incident.resolved:
        entries.append(Note(incident.resolved, incident.closed_by, "resolved"))
    return sorted(entries, key=lambda one: moment(one.at))


def to_json(incident: Incident) -> dict[str, Any]:
    return asdict(incident)


def from_json(kept: Mapping[str, Any]) -> Incident:
    """Fields that a later release wrote are passed over. Raises KeyError, TypeError or ValueError."""
    known: dict[str, Any] = {name: kept[name] for name in Incident.__dataclass_fields__ if name in kept}
    known |= {name: tuple(kept[name]) for name in ("symptoms", "resolution", "prevention") if name in kept}
    known |= {
        "severity": Severity(kept["severity"]),
        "alerts": tuple(Seen(**one) for one in kept.get("alerts", ())),
        "notes": tuple(Note(**one) for one in kept.get("notes", ())),
    }
    return Incident(**known)


def row(incident: Incident, now: datetime) -> list[str]:
    state = "open" if incident.is_open else "closed"
    minutes = round(incident.lasted(now).total_seconds() / 60)
    started = readable(moment(incident.started))
    return [incident.id, state, incident.severity, f"{minutes} min", f"{incident.title} (from {started})"]
