"""The scheduled jobs: how each ended last and whether it is late, for alerts, metrics and people."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.errors import StoreRefused, StoreUnavailable
from service.http import json_response

LOOK_EVERY_S = 15.0
OK = "ok"
# Each has rules of its own; the rest are told as one, by the worst of them.
WATCHED = ("backup", "proof", "offsite", "retention", "health", "autoscaler")
OTHER = "other"

# A value and the number of measurements behind it.
Measured = tuple[float, int]
Facts = Mapping[str, object]

logger = logging.getLogger("Jobs")


class Run(NamedTuple):
    """One run that was not skipped."""

    started_at: datetime
    finished_at: datetime
    outcome: str
    exit_code: int | None
    detail: Mapping[str, Any]


class Schedule(NamedTuple):
    """When a job runs, and since when it is expected to."""

    runner: str
    schedule: str
    limit_s: int
    due_within_s: int
    since: datetime


@dataclass(frozen=True)
class Job:
    """Without a schedule it only ran by hand, or is run no more: nobody waits for it then."""

    name: str
    schedule: Schedule | None
    last: Run | None
    last_success: Run | None

    @property
    def failed(self) -> bool:
        return self.last is not None and self.last.outcome != OK

    def late_s(self, now: datetime) -> float:
        """Beyond the time within which a success was due."""
        if self.schedule is None:
            return 0.0
        ended = self.last_success.finished_at if self.last_success else self.schedule.since
        waited = now - max(ended, self.schedule.since)
        return max(0.0, waited.total_seconds() - self.schedule.due_within_s)


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Jobs:
    """Reads them every few seconds and answers from memory: a database that is away makes no job late."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], may_read: Callable[[Request], None]
    ) -> None:
        self._database = database
        self._now = now
        self._may_read = may_read
        self._read_at: datetime | None = None
        self.standing: Sequence[Job] = ()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (StoreUnavailable, StoreRefused) as error:
                logger.debug("the jobs cannot be read", extra={"reason": str(error)})
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Raises StoreUnavailable or StoreRefused, and knows what it knew before."""
        self.standing = [job_of(row) for row in await self._database.rows("standing_jobs", {})]
        self._read_at = self._now()

    async def facts(self) -> dict[str, Measured]:
        """How late and whether failed, by job; of a job that is not known there is no data.

        A failure of one that is run no more is past: no run will ever end the alert for it.
        """
        now = self._now()
        found: dict[str, Measured] = {}
        for name in (*WATCHED, OTHER):
            jobs = [one for one in self.standing if _told_as(one) == name]
            if jobs:
                found[f"job.{name}.late_s"] = (max(one.late_s(now) for one in jobs), 1)
                found[f"job.{name}.failed"] = (float(any(one.failed for one in jobs if one.schedule)), 1)
        return found

    def late_s(self) -> dict[str, float]:
        now = self._now()
        return {one.name: one.late_s(now) for one in self.standing if one.schedule}

    def backup(self) -> Facts | None:
        """The last backup and its proof in a few words; None where neither is known."""
        known = {one.name: one for one in self.standing}
        backup, proof = known.get("backup"), known.get("proof")
        if backup is None:
            return None
        good = backup.last_success
        return {
            "at": good and stamp(good.finished_at),
            "sizeBytes": good and good.detail.get("sizeBytes"),
            "status": self._word(backup),
            "proof": self._proof(proof) if proof else None,
        }

    def routes(self) -> list[Route]:
        return [Route("/api/about/jobs", self.about)]

    async def about(self, request: Request) -> Response:
        self._may_read(request)
        now = self._now()
        return json_response(
            {
                "at": self._read_at and stamp(self._read_at),
                "jobs": [_told(one, one.late_s(now)) for one in self.standing],
            }
        )

    def _proof(self, proof: Job) -> Facts | None:
        if proof.last is None:
            return None
        return {
            "at": stamp(proof.last.finished_at),
            "result": "passed" if proof.last.outcome == OK else proof.last.outcome,
            "restoreSeconds": proof.last.detail.get("rtoS"),
        }

    def _word(self, job: Job) -> str:
        if job.failed:
            return "the last one failed"
        return "late" if job.late_s(self._now()) else "in time"


def job_of(row: tuple[Any, ...]) -> Job:
    """A row of `standing_jobs`."""
    name, *schedule = row[:6]
    started, finished, outcome, exit_code, detail = row[6:11]
    good_started, good_finished, good_exit_code, good_detail = row[11:]
    return Job(
        name,
        Schedule(*schedule) if schedule[0] is not None else None,
        Run(started, finished, outcome, exit_code, detail) if started else None,
        Run(good_started, good_finished, OK, good_exit_code, good_detail) if good_started else None,
    )


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outcomes(standing: Iterable[Job]) -> dict[str, float]:
    """1 where the last run ended well, 0 where it did not."""
    return {one.name: float(not one.failed) for one in standing if one.last}


def _told_as(job: Job) -> str:
    return job.name if job.name in WATCHED else OTHER


def _told(job: Job, late_s: float) -> Facts:
    schedule = job.schedule
    return {
        "job": job.name,
        "runner": schedule and schedule.runner,
        "schedule": schedule and schedule.schedule,
        "limitSeconds": schedule and schedule.limit_s,
        "late": late_s > 0,
        "lateSeconds": round(late_s),
        "last": job.last and _run(job.last),
        "lastSuccess": job.last_success and _run(job.last_success),
    }


def _run(run: Run) -> Facts:
    return {
        "startedAt": stamp(run.started_at),
        "finishedAt": stamp(run.finished_at),
        "outcome": run.outcome,
        "exitCode": run.exit_code,
        "detail": run.detail,
    }
