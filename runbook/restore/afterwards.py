"""What a restored database needs besides its data: volumes and containers, roles, schema, a drained spool."""

import json
import time
from collections.abc import Callable
from typing import Any

from runbook import places
from runbook.api import Api
from runbook.engine import Container, Engine
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.events import Event
from runbook.restore.oneshot import PART
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.release import release
from runbook.volumes import data_volumes

OpenApi = Callable[[], Api]

# The release's own jobs: passwords in force now, and tables the backup is too old to have.
JOBS = {"db-roles": "db-roles", "migrate": "migrate"}
DRAINED_WITHIN_S = 600.0
LOOK_EVERY_S = 1.0


def ensure_volumes(engine: Engine, stack: str) -> None:
    """As the program makes them, so that it finds nothing to change; existing ones are left alone."""
    for name in data_volumes(stack):
        part = name.removeprefix(f"amas-{stack}-")
        engine.ensure_volume(name, {"amas.data": "keep", "amas.part": part, "amas.stack": stack})


def remove_oneshots(engine: Engine, stack: str) -> None:
    """Those of an interrupted run work on without it."""
    for one in engine.containers(stack, PART):
        engine.remove_container(one, grace_s=10)


def release_anew(stack: Stack, engine: Engine, progress: Progress) -> None:
    """What was deleted by hand still stands in pulumi's state: it looks first, then makes it again."""
    log = places.state_dir() / "logs" / f"refresh-{stack.name}.log"

    def tell(event: Event) -> None:
        del event  # what is gone is told by the release, which makes it again

    exit_code = stack.refresh(log, tell)
    if exit_code:
        raise CheckFailed(f"pulumi refresh ended with {exit_code}; its output is in {log}", f"less {log}")
    release(stack, (), engine, progress)


def bring_up_to_date(engine: Engine, stack: str, progress: Progress) -> None:
    for part, name in JOBS.items():
        jobs = [one for one in engine.containers(stack, part) if one.name.startswith(f"amas-{stack}-{name}")]
        if not jobs:
            raise EnvironmentMissing(f"stack `{stack}` has no job `{name}`", "./scripts/up")
        _run_again(engine, jobs[-1], progress)


def drain(api: Api, progress: Progress, within_s: float = DRAINED_WITHIN_S) -> int:
    """Waits until the spool is empty; returns how many traces it held at most.

    What is told is as old as the collector's last run: one that is newer than this call has to say so.
    """
    deadline, most = time.monotonic() + within_s, 0
    before, left = _spooled(api)
    while True:
        run, left = _spooled(api)
        if left > most or (left and run != before):
            most = max(most, left)
            progress.say(f"{left:,} traces left")
        if run != before and not left:
            return most
        if time.monotonic() > deadline:
            raise CheckFailed(
                f"{left:,} traces are still in the spool after {within_s:.0f} s", "amas logs api"
            )
        time.sleep(LOOK_EVERY_S)


def full_backup(engine: Engine, container: Container, progress: Progress) -> str:
    exit_code, said = engine.run_inside(
        container, ["amas-backup", "amas", "backup", "now", "--full", "--json"]
    )
    told = _last_object(said)
    if exit_code or "backupId" not in told:
        reason = told.get("error") or said.strip()[-600:]
        raise CheckFailed(
            f"the restored database serves, but is not guarded: its full backup failed: {reason}",
            "amas backup now --full",
        )
    progress.say(f"backup {told['backupId']}")
    return str(told["backupId"])


def _last_object(said: str) -> dict[str, Any]:
    """What a verb printed as JSON, behind its lines of progress; empty when there is none."""
    for begin in (at for at, sign in enumerate(said) if sign == "{" and (at == 0 or said[at - 1] == "\n")):
        try:
            told = json.loads(said[begin:])
        except ValueError:
            continue
        return told if isinstance(told, dict) else {}
    return {}


def _spooled(api: Api) -> tuple[str, int]:
    """When the collector ran last, and what it found."""
    answer = api.read("/api/about/monitoring")
    body = answer.json()
    if not isinstance(body, dict):
        raise CheckFailed(f"GET /api/about/monitoring: {answer.status} {answer.text[:200]}", "amas status")
    return str(body["collector"]["lastRun"]), int(body["spool"]["length"] or 0)


def _run_again(engine: Engine, job: Container, progress: Progress) -> None:
    exit_code = engine.run_again(job)
    said = " ".join(line.text for line in engine.log_lines(job, since=None, tail=1))
    if exit_code:
        raise CheckFailed(f"{job.name} ended with {exit_code}: {said}", f"amas logs {job.part}")
    progress.say(said)
