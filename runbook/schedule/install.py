"""Puts the host's timers in place, or takes them away; the stack is told which jobs to miss."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runbook import places, sql_session
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.jobs import outbox
from runbook.jobs.command import HOST
from runbook.jobs.declare import declare
from runbook.schedule import host
from runbook.schedule.host import File, Timer

SYSTEMD_RUNS = Path("/run/systemd/system")


def timer_here() -> Timer:
    """What wakes jobs on this host."""
    if SYSTEMD_RUNS.is_dir():
        return Timer.SYSTEMD
    if host.CRON.is_dir() and shutil.which("cron"):
        return Timer.CRON
    raise EnvironmentMissing("neither systemd nor cron runs on this host", "apt-get install cron")


def planned(stack: str, timer: Timer) -> list[File]:
    return host.files(timer, stack, places.ROOT, getpass.getuser())


def install(stack: str, timer: Timer, files: Sequence[File]) -> None:
    with sql_session.of(stack, outbox.LIMIT_S) as session:
        _write(files)
        if timer is Timer.SYSTEMD:
            _systemctl("daemon-reload")
            _systemctl("enable", "--now", *host.timers(stack))
        declare(session, HOST, host.declared())


def remove(stack: str, timer: Timer, files: Sequence[File]) -> None:
    with sql_session.of(stack, outbox.LIMIT_S) as session:
        if timer is Timer.SYSTEMD and any(file.path.exists() for file in files):
            _systemctl("disable", "--now", *host.timers(stack))
        for file in files:
            file.path.unlink(missing_ok=True)
        if timer is Timer.SYSTEMD:
            _systemctl("daemon-reload")
        declare(session, HOST, [])


def _write(files: Sequence[File]) -> None:
    for file in files:
        unfinished = file.path.with_name(f".{file.path.name}.{os.getpid()}")
        try:
            unfinished.write_text(file.text, encoding="utf-8")
        except OSError as reason:
            raise EnvironmentMissing(
                f"{file.path} cannot be written: {reason.strerror}", "sudo amas schedule install"
            ) from None
        unfinished.chmod(0o644)
        unfinished.replace(file.path)


def _systemctl(*words: str) -> None:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CheckFailed(f"systemctl {' '.join(words)}: {done.stderr.strip()}", "systemctl list-timers")
