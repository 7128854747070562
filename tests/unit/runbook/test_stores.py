"""The database, the cache and how the host reaches both."""

import io
import os
import pty
import subprocess
import sys
import tty
from pathlib import Path
from typing import Any

import pytest

from runbook import cache, connections, database
from runbook.connections import from_running
from runbook.database import count_run, psql_command
from runbook.environment import Connections
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.stack import Setting, Stack
from runbook.testing import MemoryEngine, container


def test_rows_of_a_run_are_counted_by_the_database_itself() -> None:
    engine = MemoryEngine(held=[container("db")], answer=(0, "1000\n"))
    assert count_run(engine, "local", "smoke-1") == 1000
    asked = engine.commands[0]
    assert asked[0] == "db"
    assert "--set=run_id=smoke-1" in asked
    assert any("decision_insights" in word and "smoke-1" not in word for word in asked)


def test_a_count_that_fails_says_what_psql_said() -> None:
    engine = MemoryEngine(held=[container("db")], answer=(2, "psql: FATAL: starting up"))
    with pytest.raises(CheckFailed, match="ended with 2: psql: FATAL: starting up"):
        count_run(engine, "local", "smoke-1")


@pytest.mark.parametrize("environ", [{"AMAS_DATABASE": "other"}, {}])
def test_psql_runs_as_the_owner_of_the_configured_database(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "psql").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (tmp_path / "psql").chmod(0o755)
    told = subprocess.run(
        psql_command(["-c", "SELECT 'a b'"]),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == f"-U|amas_owner|-d|{environ.get('AMAS_DATABASE', 'danci')}|-c|SELECT 'a b'|"


def test_psql_needs_a_running_database() -> None:
    with pytest.raises(EnvironmentMissing, match="`db`"):
        database.psql(MemoryEngine(), "local", [])


@pytest.fixture
def redis_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of `docker exec`: says what it was given, and ends with 7."""
    script = tmp_path / "redis-cli"
    script.write_text('#!/bin/sh\nread -r password\nprintf "[%s] [%s] " "$password" "$*"\ncat\nexit 7\n')
    script.chmod(0o755)
    monkeypatch.setattr(cache, "has_terminal", lambda: False)
    monkeypatch.setattr(cache, "exec_command", lambda _container, command, **_: [str(script), *command[1:]])
    return script


def typed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_the_password_is_the_first_line_redis_cli_reads(
    redis_cli: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    typed(monkeypatch, b"PING\nINFO\n")
    engine = MemoryEngine(held=[container("cache")])
    assert cache.cache_cli(engine, "local", "p4ss", []) == 7
    assert capfdbinary.readouterr().out == b"[p4ss] [--no-auth-warning --askpass] PING\nINFO\n"


def test_a_command_given_as_arguments_leaves_stdin_alone(
    redis_cli: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    typed(monkeypatch, b"never read")
    assert cache.cache_cli(MemoryEngine(held=[container("cache")]), "local", "p4ss", ["GET", "k"]) == 7
    assert capfdbinary.readouterr().out == b"[p4ss] [--no-auth-warning --askpass GET k] "


def test_the_running_stores_are_reached_by_their_addresses(configured: dict[str, Setting]) -> None:
    engine = MemoryEngine(
        held=[container("db", address="172.18.0.2"), container("cache", address="172.18.0.3")]
    )
    assert from_running(
        engine, "local", configured | {"databaseName": Setting("other", secret=False)}
    ) == Connections(
        "postgresql://amas_owner:dbOwnerPassword-value@172.18.0.2:5432/other",
        "redis://default:cachePassword-value@172.18.0.3:6379",
    )


@pytest.mark.parametrize("held", [[], [container("db", state="exited")]])
def test_a_shell_is_prepared_also_where_nothing_runs(
    held: list[Any], configured: dict[str, Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbook.engine.connect", lambda: MemoryEngine(held=held))
    assert connections.connections(Stack("local")) == Connections()


def test_a_shell_is_prepared_also_without_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise EnvironmentMissing("the Docker engine does not answer")

    monkeypatch.setattr("runbook.engine.connect", missing)
    assert connections.connections(Stack("local")) == Connections()


def test_on_a_terminal_the_password_is_typed_once_and_neither_it_nor_its_prompt_is_shown() -> None:
    ours, inner = pty.openpty()
    tty.setraw(inner)
    answering = cache.Answering("p4ss")
    shown = b""
    for told in (
        b"Please input pass",
        b"word:",
        b" ****",
        b"**\r\n127.0.0.1:6379> ",
        b"Please input password:",
    ):
        os.write(inner, told)
        shown += answering.read(ours)
    os.write(ours, b"end")
    assert os.read(inner, 5) + os.read(inner, 3) == b"p4ss\rend"
    assert shown.replace(b"\r", b"") == b"Please input pass127.0.0.1:6379> Please input password:"
    os.close(ours)
    os.close(inner)
