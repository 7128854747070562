"""PostgreSQL's programs inside the db container, as the superuser over its socket: no password is needed.

Restoring an extension's own catalog is the superuser's work, and so is the change of databases after it.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runbook.engine import Container, exec_command
from runbook.errors import CheckFailed

SQL = Path(__file__).parent / "sql"
PROGRAM = "amas-portable"  # as pg_stat_activity shows our sessions
# A synchronous backup receiver may be away; the file or the other stack is the second copy here.
OPTIONS = "-c synchronous_commit=local -c client_min_messages=warning"
PSQL = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
CHUNK_BYTES = 1 << 20
SAID_LINES = 10
MAINTENANCE = "postgres"
NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Server:
    """The running database server of a stack."""

    container: Container
    database: str

    def lines(
        self, *scripts: str, database: str | None = None, variables: Mapping[str, str] = NO_VARIABLES
    ) -> list[str]:
        """What the scripts of `sql/` print, run one after the other in one session."""
        settings = [f"--set={name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            self._command([*PSQL, *settings, "--dbname", database or self.database]),
            input="\n".join((SQL / script).read_text() for script in scripts),
            capture_output=True,
            text=True,
            check=False,
        )
        self._refuse_failed(", ".join(scripts), done.returncode, done.stderr.splitlines())
        return done.stdout.splitlines()

    @contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """A moment that stays as it is while the block runs, for this session and for pg_dump."""
        command = self._command([*PSQL, "--dbname", self.database])
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            if not (process.stdin and process.stdout and process.stderr):
                raise AssertionError("pipes were asked for")
            try:
                yield Snapshot(process.stdin, process.stdout)
            except EndOfSession:
                said = process.stderr.read().splitlines()
                self._refuse_failed("the session of the snapshot", process.wait() or 1, said)
            finally:
                process.stdin.close()

    def dumped(
        self, snapshot: str, into: IO[bytes], hear: Callable[[str], None], moved: Callable[[int], None]
    ) -> None:
        """The whole database: of a hypertable alone, pg_dump would write no row and say nothing."""
        words = ["pg_dump", "--format=custom", "--compress=zstd:3", "--verbose", f"--snapshot={snapshot}"]
        command = self._command([*words, "--dbname", self.database])
        with self._program(command, hear) as (process, said):
            if process.stdout is None:
                raise AssertionError("a pipe was asked for")
            while chunk := process.stdout.read(CHUNK_BYTES):
                into.write(chunk)
                moved(len(chunk))
        self._refuse_failed("pg_dump", process.returncode, said)

    def restored(
        self, database: str, out_of: IO[bytes], hear: Callable[[str], None], moved: Callable[[int], None]
    ) -> None:
        """In one stream: several jobs at once break the extension's catalog, and then no row is seen."""
        words = ["pg_restore", "--exit-on-error", "--verbose", "--dbname", database]
        with self._program(self._command(words), hear) as (process, said):
            if process.stdin is None:
                raise AssertionError("a pipe was asked for")
            try:
                while chunk := out_of.read(CHUNK_BYTES):
                    process.stdin.write(chunk)
                    moved(len(chunk))
                process.stdin.close()
            except BrokenPipeError:
                pass  # pg_restore has ended, and said why
        self._refuse_failed("pg_restore", process.returncode, said)

    def make_database(self, name: str) -> None:
        """As the image makes the first one: owner, rights, extensions."""
        script = "/etc/amas/sql/database.sql"
        words = [*PSQL, f"--set=database={name}", "--dbname", MAINTENANCE, "--file", script]
        done = subprocess.run(self._command(words), capture_output=True, text=True, check=False)
        self._refuse_failed(script, done.returncode, done.stderr.splitlines())

    def end_sessions(self) -> None:
        """Of ours only: a program inside goes on when its reader here was killed."""
        self.lines("end_portable.sql", database=MAINTENANCE, variables={"program": PROGRAM})

    @contextmanager
    def _program(
        self, command: Sequence[str], hear: Callable[[str], None]
    ) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
        """With the last lines it says; each of them is heard as it comes."""
        said: list[str] = []
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            listener = threading.Thread(target=_listen, args=(process.stderr, hear, said), daemon=True)
            listener.start()
            try:
                yield process, said
            except BaseException:
                process.kill()
                raise
            finally:
                process.wait()
                listener.join()

    def _command(self, words: Sequence[str]) -> list[str]:
        environment = [f"PGAPPNAME={PROGRAM}", f"PGOPTIONS={OPTIONS}", "PGUSER=postgres"]
        return exec_command(self.container, ["env", *environment, *words], terminal=False)

    def _refuse_failed(self, what: str, exit_code: int, said: Sequence[str]) -> None:
        if exit_code:
            reason = "\n".join(said[-SAID_LINES:])
            raise CheckFailed(f"{what} in {self.container.name} ended with {exit_code}\n{reason}")


class EndOfSession(Exception):
    """psql has ended where lines were still to come."""


@dataclass(frozen=True)
class Snapshot:
    """psql's pipes; a script is over when the word after it comes back."""

    typed: IO[str]
    told: IO[str]

    def lines(self, *scripts: str) -> list[str]:
        over = "-- over --"
        try:
            self.typed.write("\n".join((SQL / script).read_text() for script in scripts))
            self.typed.write(f"\n\\echo '{over}'\n")
            self.typed.flush()
        except BrokenPipeError:
            raise EndOfSession from None
        found: list[str] = []
        for line in self.told:
            if line.rstrip("\n") == over:
                return found
            found.append(line.rstrip("\n"))
        raise EndOfSession


def _listen(stderr: IO[bytes], hear: Callable[[str], None], said: list[str]) -> None:
    for line in stderr:
        text = line.decode(errors="replace").rstrip()
        hear(text)
        said.append(text)
        del said[:-SAID_LINES]
