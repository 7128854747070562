"""One run at a time on a stack: a second is refused at once, and what a killed one locked is freed."""

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runbook import places
from runbook.errors import UsageError
from runbook.stack import Stack
from runbook.terminal import Progress


@dataclass(frozen=True)
class PulumiLock:
    """The file the pulumi CLI leaves in its backend while it works."""

    pid: int
    host: str
    user: str
    since: str


@contextmanager
def sole_run(stack: str) -> Iterator[None]:
    """Holds the stack for this process; the kernel lets go of it when the process ends, however it ends."""
    path = places.state_dir() / "runs" / f"{stack}.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as file:
        _take(file, stack)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def free_stale_lock(stack: Stack, progress: Progress) -> None:
    """Takes away pulumi's lock when its process has ended on this host; never a living one's."""
    locks = pulumi_locks(places.state_dir() / "backend", stack.name)
    if not locks:
        return
    for lock in locks:
        refuse_living(lock, stack.name, socket.gethostname(), runs_pulumi)
    progress.say(f"freeing the stack from pulumi (process {locks[0].pid}), which was killed")
    stack.cancel()


def refuse_living(lock: PulumiLock, stack: str, host: str, runs: Callable[[int], bool]) -> None:
    if lock.host != host:
        raise UsageError(
            f"{lock.user} on {lock.host} works on stack `{stack}` (process {lock.pid}, since {lock.since})",
            f"look there; if nothing works on it any more: pulumi cancel {stack}",
        )
    if runs(lock.pid):
        raise UsageError(
            f"pulumi (process {lock.pid}, since {lock.since}) works on stack `{stack}`",
            f"wait until it has ended: tail --pid {lock.pid} -f /dev/null",
        )


def pulumi_locks(backend: Path, stack: str) -> list[PulumiLock]:
    """Those that can be read; the CLI itself complains of others."""
    found = []
    for file in sorted(backend.glob(f".pulumi/locks/*/*/{stack}/*.json")):
        try:
            content = json.loads(file.read_text())
            found.append(
                PulumiLock(
                    int(content["pid"]),
                    str(content["hostname"]),
                    str(content.get("username", "?")),
                    str(content.get("timestamp", "?"))[:19],
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def runs_pulumi(pid: int) -> bool:
    """False for another program under a reused id, and for a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    name, _, rest = stat.partition("(")[2].rpartition(") ")
    return name.startswith("pulumi") and not rest.startswith("Z")


def _take(file: IO[str], stack: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        raise UsageError(
            f"another run (process {pid}) works on stack `{stack}`: this one changed nothing",
            f"wait until it has ended: tail --pid {pid} -f /dev/null",
        ) from None
