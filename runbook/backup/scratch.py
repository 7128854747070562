"""A server that nobody else reaches, on a restored data directory; it is gone when the proof is.

The same programs as the database's, the same baked settings; its only door is a socket in a tmpfs.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook.backup.place import Place
from runbook.backup.recover import Target, write_target
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing
from runbook.sql_session import Session

STOP_S = 60
POLL_S = 0.1
SAID_LINES = 5
SHARED_BUFFERS_MB = 64
LOG = "server.log"
# What a server says, and what it means for somebody who wants the data back.
MEANINGS = {
    "No space left on device": ("the scratch disk is full", "df -h"),
    "recovery ended before configured recovery target was reached": (
        "the WAL ends before the moment the manifest was taken at",
        "amas backup now --full",
    ),
    "invalid page in block": ("a page of the data is damaged", "amas backup now --full"),
    "could not locate required checkpoint record": (
        "the WAL it begins with is missing",
        "amas backup now --full",
    ),
    "insufficient parameter settings": (
        "a setting of the live server was raised meanwhile",
        "amas backup prove",
    ),
}


class Scratch:
    """One data directory, started and stopped as often as there are moments to look at."""

    def __init__(self, folder: Path, place: Place, max_connections: int, clock: Callable[[], float]) -> None:
        self.data = folder / "data"
        self._log = folder / LOG
        self._sockets = place.run / "proof"
        self._max_connections = max_connections
        self._clock = clock
        self._server: subprocess.Popen[bytes] | None = None

    def replay_to(self, target: Target, limit_s: float) -> None:
        """From where it stands to the target, where it stays open for reading."""
        self.stop()
        write_target(self.data, target)
        self._start()
        self._until("paused", limit_s)

    def become(self, target: Target, limit_s: float) -> None:
        """From where it stands to the target, and there a server of its own on a new timeline."""
        self.stop()
        write_target(self.data, target)
        self._start()
        self._until("serving", limit_s)

    def promote(self, limit_s: float) -> None:
        """A server of its own, as after a real restore."""
        with self.session() as session:
            session.rows("backup_promote")
        self._until("serving", limit_s)

    def session(self, limit_s: float = 3600) -> Session:
        database = os.environ.get("AMAS_DATABASE", "danci")
        return Session(f"host={self._sockets} user=postgres dbname={database}", limit_s)

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None

    def _start(self) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._log.write_text("")
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(self._command(), stdout=log, stderr=log)

    def _command(self) -> list[str]:
        settings = {
            "config_file": "/etc/amas/postgresql.conf",
            "listen_addresses": "",
            "unix_socket_directories": self._sockets,
            "shared_buffers": f"{SHARED_BUFFERS_MB}MB",
            # A standby must allow as many as the server whose WAL it reads.
            "max_connections": self._max_connections,
            "max_parallel_workers_per_gather": 0,
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        # Should the proof be killed, its server goes with it.
        return ["setpriv", "--pdeathsig", "KILL", "postgres", "-D", str(self.data), *options]

    def _until(self, state: str, limit_s: float) -> None:
        deadline = self._clock() + limit_s
        while self._clock() < deadline:
            if self._server is None or self._server.poll() is not None:
                raise meaning(self._said())
            if self._state() == state:
                return
            time.sleep(POLL_S)
        raise CheckFailed(
            f"the restored server was not {state} within {limit_s:.0f} s: {_last(self._said())}",
            "amas backup prove --limit-s",
        )

    def _state(self) -> str:
        try:
            with self.session() as session:
                (seen,) = session.rows("backup_replay")
        except EnvironmentMissing:
            return "starting"
        return ("paused" if seen["paused"] else "replaying") if seen["in_recovery"] else "serving"

    def _said(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()


def meaning(said: Sequence[str]) -> AmasError:
    """Why a restored server ended, by what it said."""
    for line in said:
        for words, (cause, following) in MEANINGS.items():
            if words in line:
                return CheckFailed(f"{cause}: {line.strip()}", following)
    return CheckFailed(f"the restored server ended: {_last(said)}", "amas backup verify")


def _last(said: Sequence[str]) -> str:
    return " | ".join(line.strip() for line in said[-SAID_LINES:]) or "it said nothing"
