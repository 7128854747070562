"""A job runs once at a time and within its limit, and every run leaves a record."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runbook.jobs import child, lock
from runbook.jobs.child import Ended
from runbook.jobs.record import Outcome, Record, from_json
from runbook.jobs.run import Job, outcome_of, run


def kept(folder: Path) -> list[Record]:
    return [from_json(path.read_text()) for path in folder.glob("*.record")]


def test_a_run_that_ends_well_is_on_record_with_what_it_printed(jobs_dir: Path) -> None:
    record = run(Job("backup", 60, ["sh", "-c", "echo working >&2; echo '{\"rows\": 7}'"]))
    assert (record.outcome, record.exit_code, record.detail) == (Outcome.OK, 0, {"rows": 7})
    assert record.finished_at >= record.started_at
    assert kept(jobs_dir) == [record]


def test_what_a_job_prints_is_passed_on(jobs_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(Job("backup", 60, ["sh", "-c", "echo to stdout; echo to stderr >&2"]))
    assert capfd.readouterr() == ("to stdout\n", "to stderr\n")


def test_a_run_that_fails_says_why(jobs_dir: Path) -> None:
    record = run(Job("backup", 60, ["sh", "-c", "echo 'error: disk full' >&2; exit 3"]))
    assert (record.outcome, record.exit_code) == (Outcome.FAILED, 3)
    assert record.detail == {"reason": "error: disk full"}


def test_a_command_that_is_not_there_has_failed(jobs_dir: Path) -> None:
    record = run(Job("backup", 60, ["no-such-command"]))
    assert record.outcome is Outcome.FAILED
    assert record.detail == {"reason": "no-such-command is not on PATH"}


def test_a_hung_command_and_its_children_are_ended_at_the_limit(jobs_dir: Path) -> None:
    """TERM is ignored by all of them, and one has left the shell."""
    pids = jobs_dir / "pids"
    script = f"trap '' TERM; sleep 600 & echo $! $$ > {pids}; wait; sleep 600"
    ended = child.run(["sh", "-c", script], limit_s=0.3, grace_s=0.1)
    assert (ended.timed_out, outcome_of(ended)) == (True, Outcome.TIMED_OUT)
    for pid in pids.read_text().split():
        until_gone(int(pid))


def test_a_second_run_beside_the_first_is_skipped_and_not_failed(jobs_dir: Path) -> None:
    with lock.held("backup") as ours:
        assert ours
        record = run(Job("backup", 60, ["touch", str(jobs_dir / "ran")]))
        other = run(Job("proof", 60, ["true"]))
    assert (record.outcome, record.exit_code) == (Outcome.SKIPPED, None)
    assert other.outcome is Outcome.OK
    assert not (jobs_dir / "ran").exists()


def test_a_job_that_is_killed_half_way_leaves_no_lock_and_no_process(jobs_dir: Path) -> None:
    """SIGKILL of the runner: nothing of it can put anything away."""
    pid_file = jobs_dir / "pid"
    program = (
        "from runbook.jobs.run import Job, run\n"
        f"run(Job('backup', 600, ['sh', '-c', 'echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; "
        "exec sleep 600']))"
    )
    runner = subprocess.Popen([sys.executable, "-c", program], env={**os.environ})
    until(pid_file.exists)
    with lock.held("backup") as ours:
        assert not ours
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    with lock.held("backup") as ours:
        assert ours
    until_gone(int(pid_file.read_text()))


def test_a_stop_of_the_runner_ends_the_job_and_is_on_record(jobs_dir: Path) -> None:
    ready = jobs_dir / "ready"
    script = f"touch {ready}; exec sleep 600"
    program = f"from runbook.jobs.run import Job, run\nrun(Job('backup', 600, ['sh', '-c', '{script}']))"
    runner = subprocess.Popen([sys.executable, "-c", program], env={**os.environ})
    until(ready.exists)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(10) == 0
    (record,) = kept(jobs_dir)
    assert (record.outcome, record.exit_code) == (Outcome.FAILED, None)


@pytest.mark.parametrize(
    ("exit_code", "timed_out", "outcome"),
    [
        (0, False, Outcome.OK),
        (1, False, Outcome.FAILED),
        (-9, False, Outcome.FAILED),
        (0, True, Outcome.TIMED_OUT),
        (-15, True, Outcome.TIMED_OUT),
    ],
)
def test_how_a_run_ended(exit_code: int, timed_out: bool, outcome: Outcome) -> None:
    assert outcome_of(Ended(exit_code, timed_out, b"", "")) is outcome


def until(is_so: object, within_s: float = 10.0) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def until_gone(pid: int) -> None:
    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")
        except FileNotFoundError:
            return True

    until(gone)
