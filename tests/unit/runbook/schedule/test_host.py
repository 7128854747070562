"""Files for the host's timers: the same jobs in the words of systemd and of cron."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runbook.cli import app
from runbook.jobs import crontab
from runbook.schedule import host
from runbook.schedule.host import JOBS, HostJob, Timer

ROOT = Path("/opt/amas")


def test_cron_runs_each_job_in_the_checkout_for_the_stack() -> None:
    (file,) = host.files(Timer.CRON, "local", ROOT, "root")
    assert file.path == Path("/etc/cron.d/amas-local")
    (line,) = [one for one in file.text.splitlines() if " drill " in one]
    assert line == (
        "0 3 1 */3 * root cd /opt/amas && /opt/amas/.venv/bin/amas job run drill --stack local "
        "--limit-s 7200 -- /opt/amas/.venv/bin/amas drill all --json"
    )


def test_systemd_has_a_timer_and_a_service_for_each_job() -> None:
    files = {file.path.name: file.text for file in host.files(Timer.SYSTEMD, "local", ROOT, "amas")}
    assert files.keys() == {f"amas-local-{job.name}.{kind}" for job in JOBS for kind in ("service", "timer")}
    assert host.timers("local") == [name for name in files if name.endswith(".timer")]
    assert "User=amas\n" in files["amas-local-drill.service"]
    assert "OnCalendar=*-01,04,07,10-01 03:00:00 UTC\n" in files["amas-local-drill.timer"]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_both_ways_to_write_a_time_mean_the_same(job: HostJob) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    now = datetime(2026, 3, 10, tzinfo=UTC)
    wanted = crontab.next_run(job.schedule, now)
    told = subprocess.run(
        ["systemd-analyze", "calendar", "--base-time=2026-03-10 00:00:00 UTC", job.calendar],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "PATH": host.PATH},
    )
    assert f"{wanted:%Y-%m-%d %H:%M:%S} UTC" in told.stdout


def test_the_stack_is_told_of_the_same_jobs() -> None:
    declared = {one.job: one for one in host.declared()}
    assert declared.keys() == {job.name for job in JOBS}
    assert all(one.due_within > timedelta(days=31) for one in declared.values())


def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CRON", tmp_path)
    done = CliRunner().invoke(
        app, ["schedule", "install", "--stack", "local", "--timer", "cron", "--dry-run"]
    )
    assert done.exit_code == 0
    assert done.output.startswith(f"# {tmp_path}/amas-local\n# Written by `amas schedule install`")
    assert list(tmp_path.iterdir()) == []
