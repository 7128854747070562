"""When a job is late or failed, and who is told of it how."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.jobs import Job, Jobs, Run, Schedule, job_of
from service.metrics import Metrics
from tests.unit.service.standing import Reads, problem, standing

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
DAY_S = 86_400


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(hours_ago: float, outcome: str = "ok", **detail: Any) -> Run:
    ended = NOW - timedelta(hours=hours_ago)
    return Run(ended - timedelta(minutes=1), ended, outcome, 0 if outcome == "ok" else 1, detail)


def job(
    name: str,
    last: Run | None,
    success: Run | None = None,
    *,
    since: datetime = LONG_AGO,
    scheduled: bool = True,
) -> Job:
    schedule = Schedule("backup", "15 1 * * *", 3600, DAY_S, since) if scheduled else None
    return Job(name, schedule, last, success or (last if last and last.outcome == "ok" else None))


def row(one: Job) -> tuple[Any, ...]:
    """As the database answers it."""
    schedule = one.schedule or (None,) * 5
    last = one.last or (None,) * 5
    good = one.last_success
    return (one.name, *schedule, *last, *((good[0], good[1], good[3], good[4]) if good else (None,) * 4))


async def jobs_of(*known: Job, may_read: Any = lambda _: None) -> Jobs:
    jobs = Jobs(Reads({"standing_jobs": [row(one) for one in known]}), lambda: NOW, may_read)
    await jobs.look()
    return jobs


@pytest.mark.parametrize(
    "one",
    [
        job("a", run(2)),
        job("b", None),
        job("c", run(1, "failed"), run(30)),
        job("d", run(1), scheduled=False),
    ],
)
def test_a_job_comes_from_its_row_as_it_stands(one: Job) -> None:
    assert job_of(row(one)) == one


def test_a_success_within_its_time_is_not_late_and_one_beyond_it_is_by_the_rest() -> None:
    assert job("backup", run(24)).late_s(NOW) == 0
    assert job("backup", run(25)).late_s(NOW) == 3600


def test_a_failed_run_does_not_make_a_job_less_late() -> None:
    one = job("backup", run(1, "failed"), run(26))
    assert (one.failed, one.late_s(NOW)) == (True, 7200)


def test_what_never_ran_is_late_once_its_first_turn_is_over() -> None:
    assert job("proof", None, since=NOW - timedelta(hours=24)).late_s(NOW) == 0
    assert job("proof", None, since=NOW - timedelta(hours=26)).late_s(NOW) == 7200
    assert not job("proof", None).failed


def test_what_is_scheduled_again_counts_from_then() -> None:
    assert job("backup", run(1000), since=NOW - timedelta(hours=1)).late_s(NOW) == 0


def test_what_is_not_scheduled_is_never_late() -> None:
    assert job("drill", run(10_000), scheduled=False).late_s(NOW) == 0


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_lateness_grows_with_time_alone(hours: float, more: float) -> None:
    one = job("backup", run(hours))
    later = NOW + timedelta(hours=more)
    assert 0 <= one.late_s(NOW) <= one.late_s(later) <= one.late_s(NOW) + 3600 * more + 1e-3


async def test_each_watched_job_has_its_facts_and_the_others_share_the_worst() -> None:
    jobs = await jobs_of(
        job("backup", run(25)), job("audit", run(1)), job("capacity", run(1, "timed_out"), run(26))
    )
    assert await jobs.facts() == {
        "job.backup.late_s": (3600, 1),
        "job.backup.failed": (0, 1),
        "job.other.late_s": (7200, 1),
        "job.other.failed": (1, 1),
    }


async def test_the_failure_of_a_job_that_is_run_no_more_is_past() -> None:
    jobs = await jobs_of(job("autoscaler", run(1, "failed"), scheduled=False))
    assert await jobs.facts() == {"job.autoscaler.late_s": (0, 1), "job.autoscaler.failed": (0, 1)}


async def test_while_the_database_is_away_what_was_known_stands() -> None:
    reads = Reads({"standing_jobs": [row(job("backup", run(25)))]})
    jobs = Jobs(reads, lambda: NOW, lambda _: None)
    assert await jobs.facts() == {}
    await jobs.look()
    reads.away = True
    following = asyncio.create_task(jobs.follow())
    await asyncio.sleep(0)
    assert (await jobs.facts())["job.backup.late_s"] == (3600, 1)
    assert not following.done()
    following.cancel()


@pytest.mark.parametrize(
    ("known", "status"),
    [
        (job("backup", run(2, sizeBytes=7)), "in time"),
        (job("backup", run(1, "failed"), run(2, sizeBytes=7)), "the last one failed"),
        (job("backup", run(30, sizeBytes=7)), "late"),
    ],
)
async def test_the_last_backup_in_a_few_words(known: Job, status: str) -> None:
    told: Any = (await jobs_of(known)).backup()
    assert (told["status"], told["sizeBytes"], told["proof"]) == (status, 7, None)


async def test_a_proof_is_told_with_what_it_took_and_a_failed_one_as_failed() -> None:
    backup = job("backup", run(3))
    passed: Any = (await jobs_of(backup, job("proof", run(2, rtoS=64.5)))).backup()
    assert passed["proof"] == {"at": "2026-03-10T10:00:00.000Z", "result": "passed", "restoreSeconds": 64.5}
    failed: Any = (await jobs_of(backup, job("proof", run(2, "failed")))).backup()
    assert failed["proof"]["result"] == "failed"


async def test_without_backups_nothing_is_told_of_them() -> None:
    assert (await jobs_of(job("health", run(1)))).backup() is None
    never: Any = (await jobs_of(job("backup", None))).backup()
    assert (never["at"], never["sizeBytes"], never["proof"]) == (None, None, None)


async def test_the_route_tells_of_every_job() -> None:
    async with standing() as up:
        up.reads.answers["standing_jobs"] = [
            row(job("backup", run(1, "failed", reason="disk full"), run(30)))
        ]
        await up.service.jobs.look()
        answer = (await up.client.get("/api/about/jobs")).json()
        (told,) = answer["jobs"]
        assert told["last"]["detail"] == {"reason": "disk full"}
        assert (told["job"], told["late"], told["schedule"]) == ("backup", True, "15 1 * * *")
        assert told["lastSuccess"]["finishedAt"] == "2026-03-09T06:00:00.000Z"
        monitoring = (await up.client.get("/api/about/monitoring")).json()
        assert monitoring["backup"]["status"] == "the last one failed"


async def test_the_route_needs_a_key_where_reads_do() -> None:
    async with standing(READS_NEED_KEY="true") as up:
        problem(await up.client.get("/api/about/jobs"), 401)


async def test_series_are_of_the_jobs_that_are_known_now() -> None:
    metrics = Metrics("test")
    known: list[Job] = [job("backup", run(25)), job("proof", run(1, "failed"))]
    jobs = await jobs_of(*known)
    metrics.watch_jobs(lambda: jobs.standing, jobs.late_s)
    text = metrics.render("")[0].decode()
    assert 'amas_job_last_outcome{job="backup"} 1.0' in text
    assert 'amas_job_last_outcome{job="proof"} 0.0' in text
    assert 'amas_job_last_success_timestamp_seconds{job="backup"} 1.773054e+09' in text
    assert 'amas_job_last_success_timestamp_seconds{job="proof"}' not in text
    assert 'amas_job_late_seconds{job="backup"} 3600.0' in text
    jobs.standing = ()
    assert "amas_job_last_outcome{" not in metrics.render("")[0].decode()
