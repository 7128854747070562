"""How each job stands, from what the service tells of the schedule. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runbook import terminal
from runbook.errors import UsageError
from runbook.jobs.crontab import next_run

ROUTE = "/api/about/jobs"
NOTHING = "-"
NEVER = "never"


@dataclass(frozen=True)
class Standing:
    """One job. `next` is None where nobody schedules it; `result` says in a word how it ended last."""

    job: str
    runner: str | None
    schedule: str | None
    next: datetime | None
    last: datetime | None
    took_s: float | None
    result: str
    late: bool
    late_s: int
    reason: str
    detail: Mapping[str, Any]

    @property
    def is_well(self) -> bool:
        return not self.late and self.result in {"ok", NEVER}

    def as_json(self) -> dict[str, Any]:
        stamps = {name: at and at.isoformat() for name, at in (("next", self.next), ("last", self.last))}
        return asdict(self) | stamps

    def cells(self, now: datetime) -> list[str]:
        due = f"in {_span(self.next, now)}" if self.next else NOTHING
        ran = f"{_span(now, self.last)} ago" if self.last else NOTHING
        late = f"late by {terminal.seconds(self.late_s)}" if self.late else ""
        return [self.job, due, ran, self.result, ", ".join(one for one in (late, self.reason) if one)]


def standings(answer: Mapping[str, Any], now: datetime) -> list[Standing]:
    """The unwell first, then by what comes next."""
    found = [_standing(one, now) for one in answer["jobs"]]
    return sorted(found, key=lambda one: (one.is_well, one.next is None, one.next or now, one.job))


def closing_line(found: Sequence[Standing]) -> str:
    unwell = [one.job for one in found if not one.is_well]
    if not found:
        return "nothing is scheduled yet: the scheduler tells of its jobs when it starts"
    return f"not well: {', '.join(unwell)}" if unwell else f"{len(found)} jobs, all in time"


def _standing(one: Mapping[str, Any], now: datetime) -> Standing:
    last = one["last"]
    ended = datetime.fromisoformat(last["finishedAt"]) if last else None
    began = datetime.fromisoformat(last["startedAt"]) if last else None
    detail = last["detail"] if last else {}
    return Standing(
        job=one["job"],
        runner=one["runner"],
        schedule=one["schedule"],
        next=_next(one["schedule"], now),
        last=ended,
        took_s=(ended - began).total_seconds() if ended and began else None,
        result=last["outcome"] if last else NEVER,
        late=one["late"],
        late_s=one["lateSeconds"],
        reason=str(detail.get("reason", "")) if last and last["outcome"] != "ok" else "",
        detail=detail,
    )


def _next(schedule: str | None, now: datetime) -> datetime | None:
    """A schedule that nobody can read was declared by another version: it is shown all the same."""
    try:
        return next_run(schedule, now) if schedule else None
    except UsageError:
        return None


def _span(later: datetime | None, earlier: datetime | None) -> str:
    assert later is not None  # noqa: S101 - each caller has asked
    assert earlier is not None  # noqa: S101
    return terminal.seconds(max(0.0, (later - earlier).total_seconds()))
