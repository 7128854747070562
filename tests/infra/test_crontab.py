"""What the scheduler runs is what was configured, and the runbook reads it as it was meant."""

import pytest

from infra.keys import CRON, KEYS
from runbook.jobs.crontab import jobs_of
from tests.infra.conftest import Run
from tests.infra.test_program import uploads

SCHEDULES = {key.name: str(key.default) for key in KEYS if key.allowed is CRON}


def crontab(run: Run, **config: str) -> str:
    return uploads(run(**config), "scheduler-config")["crontab"]


def test_each_job_has_its_time_its_limit_and_its_verb(run: Run) -> None:
    jobs = {job.job: job for job in jobs_of(crontab(run, healthSchedule="*/5 * * * *"))}
    assert (jobs["health"].schedule, jobs["health"].command) == ("*/5 * * * *", ("amas", "health", "--json"))
    assert all(60 <= job.limit_s <= 3600 and job.command[0] == "amas" for job in jobs.values())
    assert jobs.keys() >= {"health", "retention", "db-growth", "threshold-review", "audit"}


def test_every_job_says_what_it_did_in_json(run: Run) -> None:
    assert all(job.command[-1] == "--json" for job in jobs_of(crontab(run)))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_every_default_is_a_time_that_comes(schedule: str) -> None:
    (job,) = jobs_of(f"{schedule} amas job run x --limit-s 60 -- true")
    assert job.due_within.total_seconds() > 0
