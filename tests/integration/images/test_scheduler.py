"""The scheduler's container is stopped, and its jobs are told."""

import time

from tests.integration.images.conftest import Lab, eventually, log

# Every second, so that one is at work when the stop comes.
CRONTAB = b"* * * * * * * sh /config/job\n"
JOB = b"trap 'echo job told; exit 0' TERM\necho job begun\nsleep 300 & wait\n"
GRACE_S = 60


def test_a_job_at_work_is_told_of_a_stop_and_waited_for(lab: Lab) -> None:
    volume = lab.volume({"crontab": CRONTAB, "job": JOB}, uid=10005)
    command = ["amas-scheduler", "/config/crontab", "scheduler"]
    scheduler = lab.run("runbook", command, volumes={volume: "/config"})
    eventually(lambda: "job begun" in log(scheduler), scheduler, 30)
    started = time.monotonic()
    scheduler.stop(timeout=GRACE_S)
    assert time.monotonic() - started < GRACE_S / 2, "it ends by itself"
    assert "job told" in log(scheduler)
    scheduler.reload()
    assert scheduler.attrs["State"]["ExitCode"] == 0
