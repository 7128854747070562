"""What the scheduler runs is what was configured, and the runbook reads it as it was meant."""

import pytest

from infra.keys import CRON, KEYS
from runbook.jobs.crontab import jobs_of
from runbook.loadtest import place
from tests.infra.conftest import Run
from tests.infra.test_program import environment, uploads
from tests.verbs import parsed

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


def test_load_tests_run_by_themselves_only_where_a_time_is_set(run: Run) -> None:
    assert {"load-test", "breakpoint", "load-leftovers"} & {job.job for job in jobs_of(crontab(run))} == set()
    both = crontab(
        run, loadTestSchedule="0 3 * * 5", breakpointSchedule="0 3 2 */3 *", schedulerMemoryMb="1024"
    )
    jobs = {job.job: job for job in jobs_of(both)}
    assert jobs["load-test"].schedule == "0 3 * * 5"
    assert jobs["load-test"].command[:5] == ("amas", "loadtest", "run", "mixed", "--profile")
    assert "smoke" in jobs["load-test"].command
    assert "breakpoint" in jobs["breakpoint"].command
    assert jobs["load-leftovers"].command == ("amas", "loadtest", "purge", "--json")


def test_the_scheduler_has_the_keys_for_load_tests_only_where_it_runs_them(run: Run) -> None:
    kept = {"read_key", "metrics_key", "jobs_password"}
    assert uploads(run(), "scheduler-secrets").keys() == kept
    scheduled = run(loadTestSchedule="0 3 * * 5")
    assert uploads(scheduled, "scheduler-secrets").keys() == kept | {
        "ingest_key",
        "admin_key",
        "loadtest_webhook",
    }
    given = environment(scheduled.containers["scheduler"])
    assert given["AMAS_INGEST_KEY_FILE"] == "/secrets/ingest_key"
    assert given["AMAS_RELEASE"]
    assert given["AMAS_LOADTEST_WEBHOOK_FILE"] == "/secrets/loadtest_webhook"
    assert {name for name in given if name.startswith("AMAS_LOADTEST")} <= {place.WEBHOOK_FILE}


@pytest.mark.parametrize(
    "line",
    [
        "amas loadtest run mixed --profile smoke --out /tmp/results --keep-results 5 --json",
        "amas loadtest purge --json",
        "amas loadtest run mixed --profile breakpoint --out /tmp/results --keep-results 5 --json",
    ],
)
def test_a_scheduled_load_test_is_a_line_that_the_runbook_takes(line: str, run: Run) -> None:
    text = crontab(
        run, loadTestSchedule="0 3 * * 5", breakpointSchedule="0 3 * * 5", schedulerMemoryMb="1024"
    )
    assert line in text
    parsed(line)
