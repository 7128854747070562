"""The runbook's incident template, filled in. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from runbook.incident.clock import Call, calls
from runbook.incident.record import Incident, timeline
from runbook.moments import moment, readable

MADE_BY = (
    "<!-- Written by `amas incident`; add to it by `amas incident note`, end it by `amas incident close`. -->"
)
OPEN = "(open)"
NONE = "(none)"
TAG = re.compile(r"<(?=[A-Za-z/!?])")


def markdown(incident: Incident, people: Mapping[str, str], now: datetime) -> str:
    unsaid = OPEN if incident.is_open else NONE
    sections = [
        [MADE_BY, f"# {incident.id}: {text(incident.title)}"],
        _head(incident, now),
        ["**Symptoms**:", *_bullets(incident.symptoms or (NONE,))],
        ["**Root Cause**:", *_bullets((incident.cause or unsaid,))],
        ["**Resolution**:", *_numbered(incident.resolution or (unsaid,))],
        ["**Prevention**:", *_bullets(incident.prevention or (unsaid,))],
        ["## Timeline", "", *_timeline(incident)],
        ["## Metrics", "", *_metrics(incident)],
        ["## Escalation", "", *_escalation(incident, people, now)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def text(written: str) -> str:
    """One line that cannot start a heading, a table cell or an HTML tag."""
    plain = " ".join(written.split())
    return TAG.sub("&lt;", plain.replace("|", "\\|"))


def _head(incident: Incident, now: datetime) -> list[str]:
    resolved = readable(moment(incident.resolved)) if incident.resolved else OPEN
    minutes = round(incident.lasted(now).total_seconds() / 60)
    return [
        f"**Incident ID**: {incident.id}  ",
        f"**Severity**: {incident.severity}  ",
        f"**Started**: {readable(moment(incident.started))}  ",
        f"**Resolved**: {resolved}  ",
        f"**Duration**: {minutes} minutes{'' if incident.resolved else ' so far'}  ",
        f"**Stack**: {incident.stack}",
    ]


def _bullets(lines: Sequence[str]) -> list[str]:
    return [f"- {text(one)}" for one in lines]


def _numbered(lines: Sequence[str]) -> list[str]:
    return [f"{place}. {text(one)}" for place, one in enumerate(lines, 1)]


def _timeline(incident: Incident) -> list[str]:
    rows = [
        f"| {readable(moment(one.at))} | {text(one.by)} | {text(one.text)} |" for one in timeline(incident)
    ]
    return ["| at | by | what |", "| --- | --- | --- |", *rows]


def _metrics(incident: Incident) -> list[str]:
    names = sorted({*incident.before, *incident.after})
    if not names:
        return ["The service could not be asked."]
    rows = [f"| {name} | {_cell(incident.before, name)} | {_cell(incident.after, name)} |" for name in names]
    return ["| metric | at opening | at closing |", "| --- | ---: | ---: |", *rows]


def _cell(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:g}" if name in values else ""


def _escalation(incident: Incident, people: Mapping[str, str], now: datetime) -> list[str]:
    return [
        f"- {one.level} {_when(one)}: {text(one.who)} ({one.role})" for one in calls(incident, people, now)
    ]


def _when(call: Call) -> str:
    return f"{'due since' if call.due else 'due at'} {call.at:%H:%M} UTC"
