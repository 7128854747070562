"""The schedule in the real database: written as its role, told by the service, pruned with care."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.jobs import outbox
from runbook.jobs.crontab import Scheduled
from runbook.jobs.declare import declare
from runbook.jobs.record import Outcome, Record
from runbook.sql_session import Session
from service.db import Session as ServiceSession
from service.jobs import Job, Jobs
from tests.integration.service.conftest import Database

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def jobs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMAS_JOBS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    database.rows("TRUNCATE job_runs, scheduled_jobs")
    with Session(database.url("jobs")) as session:
        yield session


def ran(database: Database, *records: Record) -> int:
    for one in records:
        outbox.keep(one)
    return outbox.write_all(lambda: Session(database.url("jobs")))


def record(job: str, hours_ago: float, outcome: Outcome = Outcome.OK, **detail: Any) -> Record:
    at = NOW - timedelta(hours=hours_ago)
    return Record(f"{job}-{hours_ago}", job, at, at, outcome, 0, detail)


async def standing(database: Database) -> dict[str, Job]:
    reads = ServiceSession(database.url("app"), 5000)
    try:
        jobs = Jobs(reads, lambda: NOW, lambda _: None)
        await jobs.look()
        return {one.name: one for one in jobs.standing}
    finally:
        await reads.close()


async def test_newest_run_and_newest_success_of_each_job_are_told(
    database: Database, session: Session, jobs_dir: Path
) -> None:
    declare(session, "backup", [Scheduled("backup", "15 1 * * *", 3600), Scheduled("proof", "0 2 * * *", 60)])
    written = ran(
        database,
        record("backup", 50, size=1),
        record("backup", 26, size=2),
        record("backup", 2, Outcome.FAILED, reason="disk full"),
        record("backup", 1, Outcome.SKIPPED),
        record("by-hand", 1),
    )
    assert written == 5
    known = await standing(database)
    assert sorted(known) == ["backup", "by-hand", "proof"]
    backup = known["backup"]
    assert backup.last
    assert backup.last_success
    assert (backup.last.outcome, backup.last.detail) == ("failed", {"reason": "disk full"})
    assert backup.last_success.detail == {"size": 2}
    assert backup.schedule
    assert backup.schedule.due_within_s == 27.4 * 3600
    assert (known["proof"].last, known["by-hand"].schedule) == (None, None)


def test_a_record_that_is_sent_twice_stands_once(
    database: Database, session: Session, jobs_dir: Path
) -> None:
    """The answer to the first was lost: the file is still there."""
    assert ran(database, record("backup", 1)) == 1
    assert ran(database, record("backup", 1)) == 1
    assert database.rows("SELECT count(*) FROM job_runs") == [(1,)]


def test_a_crontab_declares_all_that_its_runner_does_and_nothing_of_another(
    database: Database, session: Session
) -> None:
    declare(session, "scheduler", [Scheduled("health", "0 * * * *", 60), Scheduled("audit", "0 1 1 * *", 60)])
    declare(session, "backup", [Scheduled("backup", "15 1 * * *", 60)])
    database.rows("UPDATE scheduled_jobs SET since = since - interval '1 day'")
    before = {row[0]: row[1] for row in database.rows("SELECT job, since FROM scheduled_jobs")}
    declare(session, "scheduler", [Scheduled("health", "0 */4 * * *", 300)])
    found = database.rows("SELECT job, runner, schedule, since FROM scheduled_jobs ORDER BY job")
    assert [row[:3] for row in found] == [
        ("backup", "backup", "15 1 * * *"),
        ("health", "scheduler", "0 */4 * * *"),
    ]
    assert {row[0]: row[3] for row in found} == {job: before[job] for job in ("backup", "health")}
    declare(session, "backup", [])
    assert database.rows("SELECT job FROM scheduled_jobs") == [("health",)]


def test_old_runs_go_but_the_newest_success_of_a_job_stays(
    database: Database, session: Session, jobs_dir: Path
) -> None:
    old = 401 * 24
    ran(
        database,
        record("drill", old + 24),
        record("drill", old),
        record("drill", old - 0.5, Outcome.FAILED),
        record("health", old),
        record("health", 1),
    )
    left = database.rows("SELECT job, outcome FROM job_runs ORDER BY job, finished_at")
    assert left == [("drill", "ok"), ("health", "ok")]
    assert database.rows(
        "SELECT finished_at < now() - interval '400 days' FROM job_runs WHERE job = 'drill'"
    ) == [(True,)]
