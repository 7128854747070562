"""What of the schedule needs the host, as files for its timer: systemd's units, or one for cron. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runbook.jobs.crontab import Scheduled


class Timer(StrEnum):
    """Who wakes the host's jobs."""

    SYSTEMD = "systemd"
    CRON = "cron"


@dataclass(frozen=True)
class HostJob:
    """`calendar` is the schedule in systemd's words; the command is one of ours, without `amas`."""

    name: str
    schedule: str
    calendar: str
    limit_s: int
    command: str


# A drill brings up a stack of its own and takes it away; the disk and what is outdated are the host's.
JOBS = (
    HostJob("drill", "0 3 1 */3 *", "*-01,04,07,10-01 03:00:00 UTC", 7200, "drill all --json"),
    HostJob("capacity", "0 7 1 */3 *", "*-01,04,07,10-01 07:00:00 UTC", 900, "capacity --json"),
    HostJob("outdated", "0 8 1 * *", "*-*-01 08:00:00 UTC", 900, "outdated --json"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNITS = Path("/etc/systemd/system")
CRON = Path("/etc/cron.d")


@dataclass(frozen=True)
class File:
    """One that is to be written."""

    path: Path
    text: str


def files(timer: Timer, stack: str, root: Path, user: str, jobs: Sequence[HostJob] = JOBS) -> list[File]:
    if timer is Timer.CRON:
        return [_cron_file(stack, root, user, jobs)]
    return [file for job in jobs for file in _units(stack, root, user, job)]


def timers(stack: str, jobs: Sequence[HostJob] = JOBS) -> list[str]:
    """The units to be started; each wakes the service of its name."""
    return [f"{_name(stack, job)}.timer" for job in jobs]


def declared(jobs: Sequence[HostJob] = JOBS) -> list[Scheduled]:
    """What the database is told, so that a host that never runs them is missed."""
    return [Scheduled(job.name, job.schedule, job.limit_s) for job in jobs]


def _units(stack: str, root: Path, user: str, job: HostJob) -> list[File]:
    name, head = (
        _name(stack, job),
        "# Written by `amas schedule install`, which also takes it away: --remove.\n",
    )
    service = (
        f"{head}[Unit]\nDescription=amas {job.command.removesuffix(' --json')} for stack {stack}\n\n"
        f"[Service]\nType=oneshot\nUser={user}\nWorkingDirectory={root}\n"
        f"ExecStart={_command(stack, root, job)}\nNice=10\n"
    )
    timer = (
        f"{head}[Unit]\nDescription=When {name} runs\n\n"
        f"[Timer]\nOnCalendar={job.calendar}\n"
        # A host that was off then does it when it is on again.
        "Persistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )
    return [File(UNITS / f"{name}.service", service), File(UNITS / f"{name}.timer", timer)]


def _cron_file(stack: str, root: Path, user: str, jobs: Sequence[HostJob]) -> File:
    lines = [
        "# Written by `amas schedule install`, which also takes it away: --remove. Times are the host's.",
        "SHELL=/bin/sh",
        f"PATH={PATH}",
        *(f"{job.schedule} {user} cd {root} && {_command(stack, root, job)}" for job in jobs),
    ]
    # Cron reads no file whose name has a dot.
    return File(CRON / f"amas-{stack}", "".join(f"{line}\n" for line in lines))


def _command(stack: str, root: Path, job: HostJob) -> str:
    amas = root / ".venv/bin/amas"
    return f"{amas} job run {job.name} --stack {stack} --limit-s {job.limit_s} -- {amas} {job.command}"


def _name(stack: str, job: HostJob) -> str:
    return f"amas-{stack}-{job.name}"
