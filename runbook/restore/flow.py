"""`amas backup restore`: the steps on the host, in order. Until the link is turned, the old data are whole.

A run that fails or is interrupted before that starts the old database again; one that fails right after it
turns the link back first.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runbook.engine import Container, Engine
from runbook.errors import CheckFailed
from runbook.readiness import serve_anew
from runbook.restore import afterwards
from runbook.restore.oneshot import OneShot
from runbook.restore.plan import Found, Plan, Wanted, plan
from runbook.stack import Stack
from runbook.terminal import Progress, seconds

DATABASE, BACKUP = "db", "backup"
# What the receiver has, it has synced; a copy or a proof that runs has lost its database anyway.
STOP_S = {DATABASE: 90, BACKUP: 10}
HEALTHY_WITHIN_S = 300.0
POLL_S = 0.3


@dataclass(frozen=True)
class Site:
    """Where it happens."""

    stack: Stack
    engine: Engine
    oneshot: OneShot

    def container(self, part: str) -> Container | None:
        return next(iter(self.engine.containers(self.stack.name, part)), None)

    def generation(self, progress: Progress, *words: str) -> Any:
        return self.oneshot.run(["amas", "generation", *words], progress.say)


@dataclass(frozen=True)
class Restored:
    """`rtoS`: from the stop of the database, or the start on an empty host, until the service was ready."""

    stack: str
    generation: str
    kept: str | None
    backupId: str  # noqa: N815 - as the other facts of backups are named
    timeline: int
    rows: int
    decisions: int
    newest: str | None
    rtoS: float  # noqa: N815
    newBackupId: str | None  # noqa: N815


def look(site: Site, wanted: Wanted, now: datetime, progress: Progress) -> Plan:
    """Nothing is changed, but for a data volume that is made where there is none."""
    with progress.step("look at backups and disk"):
        afterwards.ensure_volumes(site.engine, site.stack.name)
        found = Found.of(site.generation(progress, "look"))
        return plan(site.stack.name, wanted, found, now)


def restore(site: Site, made: Plan, open_api: "afterwards.OpenApi", progress: Progress) -> Restored:
    began = time.monotonic()
    with progress.step("stop the database"):
        # In this order: the receiver gets all that the database still has to send.
        stopped = [_stopped(site, part) for part in (DATABASE, BACKUP)]
    with started_again_on_failure(site, stopped):
        built = site.generation(progress, *build_words(made))
    with progress.step(f"serve {made.generation}"), turned_back_on_failure(site, made, progress):
        site.generation(progress, "switch", made.generation, f"--timeline={built['timeline']}")
        _start(site, progress)
        afterwards.bring_up_to_date(site.engine, site.stack.name, progress)
    return served(site, made, built, open_api, progress, began)


def served(
    site: Site,
    made: Plan,
    built: Mapping[str, Any],
    open_api: "afterwards.OpenApi",
    progress: Progress,
    began: float,
) -> Restored:
    """The end of every restore: ready, drained, and guarded by a backup of its own."""
    with open_api() as api:
        with progress.step("until the service is ready"):
            serve_anew(api, progress.say)
        rto_s = time.monotonic() - began
        progress.say(f"RTO {seconds(rto_s)}: from the stop of the database to a ready service")
        with progress.step("drain the spool"):
            afterwards.drain(api, progress)
    new_backup_id = _guarded_again(site, progress)
    facts = {name: built[name] for name in ("backupId", "timeline", "rows", "decisions", "newest")}
    return Restored(
        site.stack.name,
        made.generation,
        made.kept,
        **facts,
        rtoS=rto_s,
        newBackupId=new_backup_id,
    )


def discard_old(site: Site, progress: Progress) -> list[str]:
    with progress.step("discard what served before"):
        gone: list[str] = site.generation(progress, "discard")["discarded"]
    return gone


@contextmanager
def started_again_on_failure(site: Site, stopped: list[Container | None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        afterwards.remove_oneshots(site.engine, site.stack.name)
        for one in stopped:
            if one is not None:
                site.engine.start(one)
        raise


@contextmanager
def turned_back_on_failure(site: Site, made: Plan, progress: Progress) -> Iterator[None]:
    """The new directory stays for whoever wants to know why; the next restore takes another number."""
    try:
        yield
    except BaseException:
        if made.kept is not None:
            progress.say(f"{made.generation} does not serve: back to {made.kept}")
            _stopped(site, DATABASE)
            site.generation(progress, "point", made.kept)
            for part in (DATABASE, BACKUP):
                held = site.container(part)
                if held is not None:
                    site.engine.start(held)
        raise


def closing_lines(done: Restored) -> list[str]:
    lines = [
        f"served     {done.rows:,} rows, {done.decisions:,} decisions, the newest of {done.newest or 'none'}",
        f"from       backup {done.backupId}, now on timeline {done.timeline}",
        f"RTO        {seconds(done.rtoS)}; the spool is empty: what was acknowledged meanwhile is stored",
        f"guarded    by backup {done.newBackupId}"
        if done.newBackupId
        else "NOT GUARDED: no backup container runs",
    ]
    if done.kept:
        lines += [
            f"kept       {done.kept}, what served before, until",
            f"next       amas backup restore --discard-old --stack {done.stack}",
        ]
    return lines


def as_json(done: Restored) -> dict[str, Any]:
    return asdict(done)


def build_words(made: Plan) -> list[str]:
    target = [f"--to={made.to.isoformat()}"] if made.to else []
    return ["build", made.generation, f"--backup={made.backup.id}", *target]


def _stopped(site: Site, part: str) -> Container | None:
    """The container, if there was one to stop."""
    held = site.container(part)
    if held is None or held.state != "running":
        return None
    site.engine.stop(held, STOP_S[part])
    return held


def _start(site: Site, progress: Progress) -> None:
    """The container as it was; one that is gone is made anew by the program."""
    if site.container(DATABASE) is None:
        afterwards.release_anew(site.stack, site.engine, progress)
    held = site.container(DATABASE)
    if held is not None and held.state != "running":
        site.engine.start(held)
    until_healthy(site, DATABASE)


def until_healthy(site: Site, part: str, within_s: float = HEALTHY_WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while True:
        held = site.container(part)
        if held is not None and held.health == "healthy":
            return
        if held is None or held.state not in {"running", "created"} or time.monotonic() > deadline:
            state = "gone" if held is None else held.health or held.state
            raise CheckFailed(f"part `{part}` is {state} after the restore", f"amas logs {part}")
        time.sleep(POLL_S)


def _guarded_again(site: Site, progress: Progress) -> str | None:
    """A restore begins a new history: until its own full backup stands, it cannot be restored by itself."""
    held = site.container(BACKUP)
    if held is None:
        return None
    if held.state != "running":
        site.engine.start(held)
    with progress.step("receive WAL again"):
        until_healthy(site, BACKUP)
    with progress.step("a full backup"):
        return afterwards.full_backup(site.engine, held, progress)
