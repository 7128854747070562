"""The escalation clock: who has to be called by when (section 10). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook.contacts import DIAGNOSIS_MIN, PATH, ROLES, who
from runbook.incident.record import Incident
from runbook.moments import moment


@dataclass(frozen=True)
class Call:
    """One level; `due` once its time has come, or at once in an emergency."""

    level: str
    at: datetime
    due: bool
    who: str
    role: str


def calls(incident: Incident, people: Mapping[str, str], now: datetime) -> list[Call]:
    """Of an open incident; L3 only where users are affected or it is an emergency."""
    started = moment(incident.started)
    until = moment(incident.resolved) if incident.resolved else now
    found = []
    for step in PATH:
        if step.level == "L3" and not (incident.users_affected or incident.emergency):
            continue
        at = started if incident.emergency else started + timedelta(minutes=step.after_min)
        found.append(Call(step.level, at, until >= at, who(people, step.role), ROLES[step.role]))
    return found


def lines(incident: Incident, people: Mapping[str, str], now: datetime) -> list[str]:
    """What to do next stands first: the last level that is due."""
    told = []
    for one in calls(incident, people, now):
        minutes = round((one.at - now).total_seconds() / 60)
        when = "call now" if one.due else f"in {minutes} min, at {one.at:%H:%M} UTC"
        told.append(f"{one.level}  {when}: {one.who} ({one.role})")
    if incident.is_open and now - moment(incident.started) < timedelta(minutes=DIAGNOSIS_MIN):
        ends = moment(incident.started) + timedelta(minutes=DIAGNOSIS_MIN)
        told.append(f"initial diagnosis until {ends:%H:%M} UTC: amas triage latency|webhooks|writes|errors")
    return told
