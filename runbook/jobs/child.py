"""A command in a session of its own, ended at its limit; what it prints is passed on and kept in part."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from runbook.errors import EnvironmentMissing
from runbook.jobs.record import MOST_DETAIL_BYTES

# After TERM, for the command to put its things away; then KILL.
GRACE_S = 10.0
STDOUT, STDERR = 1, 2
_CHUNK_BYTES = 8192
_MOST_LAST_WORDS = 2000


@dataclass(frozen=True)
class Ended:
    """`exit_code` is negative for the signal that ended it."""

    exit_code: int
    timed_out: bool
    stdout: bytes
    last_words: str


@dataclass
class _Heard:
    """The beginning and the end of a stream; the beginning is one byte longer than what is kept as detail."""

    first: bytes = b""
    last: bytes = b""

    def add(self, chunk: bytes) -> None:
        self.first += chunk[: max(0, MOST_DETAIL_BYTES + 1 - len(self.first))]
        self.last = (self.last + chunk)[-_MOST_LAST_WORDS:]


@dataclass
class _Streams:
    stdout: _Heard = field(default_factory=_Heard)
    stderr: _Heard = field(default_factory=_Heard)


class _Stop:
    """A TERM is passed on, also one that comes before there is a process to pass it to."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        before = signal.signal(signal.SIGTERM, lambda *_: self._ask())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def ends(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        if self._process is not None:
            _signal_group(self._process, signal.SIGTERM)


def run(command: Sequence[str], limit_s: float, grace_s: float = GRACE_S) -> Ended:
    """To its end or its limit; a TERM that comes here ends it too, as one that failed."""
    heard, stop = _Streams(), _Stop()
    with stop.heeded(), _started(command) as process:
        threads = [
            _listening(process.stdout, STDOUT, heard.stdout),
            _listening(process.stderr, STDERR, heard.stderr),
        ]
        stop.ends(process)
        timed_out = not _ended_within(process, limit_s)
        _end_group(process, grace_s)
        for thread in threads:
            thread.join(grace_s)
    said = heard.stderr.last or heard.stdout.last
    return Ended(process.returncode, timed_out, heard.stdout.first, said.decode(errors="replace"))


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The kernel ends it when we are killed: without us nobody would keep its limit."""
    if shutil.which(command[0]) is None:
        raise EnvironmentMissing(f"{command[0]} is not on PATH")
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end_group(process, 0)


def _listening(stream: IO[bytes] | None, to: int, heard: _Heard) -> threading.Thread:
    assert stream is not None  # noqa: S101 - both were asked for
    thread = threading.Thread(target=_pass_on, args=(stream, to, heard), daemon=True)
    thread.start()
    return thread


def _pass_on(stream: IO[bytes], to: int, heard: _Heard) -> None:
    with stream:
        while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
            heard.add(chunk)
            with contextlib.suppress(OSError):  # nobody may be left to read it
                os.write(to, chunk)


def _ended_within(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Whoever is left of the session goes too: nothing of a job outlives its run."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        _ended_within(process, grace_s)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
