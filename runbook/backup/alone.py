"""One proof at a time, ended when it hangs; what a killed one left is swept by the next."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from runbook.backup.place import Place
from runbook.errors import CheckFailed, UsageError

GONE_WITHIN_S = 10.0


@contextmanager
def alone(place: Place) -> Iterator[Path]:
    """The folder for one proof. The kernel's lock ends with its process, so a killed proof leaves none."""
    place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place.run / "proof.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("another proof is running", "amas backup status") from None
        folder = place.scratch / "proof"
        sweep(folder)
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            sweep(folder)


def sweep(folder: Path) -> None:
    """Ends what an ended proof left at work there, its server or a copy, then removes the files."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while True:
        left = at_work_in(folder)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        # Whoever was killed just now, or a child of it, may have written there again.
        if not (left or folder.exists()) or time.monotonic() > deadline:
            return
        time.sleep(0.1)


def at_work_in(folder: Path) -> list[int]:
    """Processes that name it in their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


class Ended(CheckFailed):
    """The proof was told to stop, or took too long."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A proof that is stopped stops its server and sweeps its folder, as one that ends by itself."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the form signals have
        raise Ended(f"the proof was ended by {signal.Signals(number).name}", "amas backup prove")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """A server that hangs is ended with the proof."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the form signals have
        raise Ended(f"the proof hung: it was not over within {limit_s:.0f} s", "amas logs backup")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
