"""Statements by name against a stack's database, from the host or inside its network.

The sole importer of psycopg.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from runbook import engine, reach
from runbook.connections import from_running
from runbook.errors import CheckFailed, EnvironmentMissing

Row = dict[str, Any]

SQL = Path(__file__).parent / "sql"
CONNECT_S = 5
LIMIT_S = 60
# The role that the scheduler and the backup container log in as.
JOBS = "amas_jobs"


class Statements(Protocol):
    """What a page asks a database for: the real session, or a twin in the tests."""

    def rows(self, name: str, **parameters: object) -> list[Row]: ...
    def run(self, text: str, called: str, parameters: Mapping[str, object] | None = None) -> list[Row]: ...


class Session:
    """One connection; every statement is a transaction of its own, so that VACUUM is possible too."""

    def __init__(self, conninfo: str, limit_s: float = LIMIT_S, *, read_only: bool = False) -> None:
        try:
            self._connection = psycopg.connect(
                conninfo,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=CONNECT_S,
                application_name="amas-runbook",
                options=f"-c statement_timeout={limit_s * 1000:.0f} -c timezone=UTC"
                f" -c default_transaction_read_only={'on' if read_only else 'off'}",
            )
        except psycopg.Error as reason:
            raise EnvironmentMissing(
                f"the database does not let us in: {_reason(reason)}", "amas status"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self, name: str, **parameters: object) -> list[Row]:
        """The rows of a statement of runbook/sql, after its COMMIT; CheckFailed when it is refused."""
        return self.run(statement(name), name, parameters)

    def run(self, text: str, called: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """The rows of a text that the database itself gave, such as EXPLAIN of a statement it has seen."""
        try:
            cursor = self._connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as reason:
            raise CheckFailed(
                f"{called}: {_reason(reason)} (SQLSTATE {reason.sqlstate or 'none'})", "amas logs db"
            ) from None


def of(
    stack: str,
    limit_s: float = LIMIT_S,
    environ: Mapping[str, str] = os.environ,
    *,
    read_only: bool = False,
) -> Session:
    """As the jobs' role where the environment names the database, as the owner from the host otherwise."""
    return Session(inside_network(environ) or _from_host(stack), limit_s, read_only=read_only)


def inside_network(environ: Mapping[str, str]) -> str | None:
    """From AMAS_DATABASE_URL_FILE, or AMAS_DB_HOST with the password's file beside it; None on the host."""
    if url_file := environ.get("AMAS_DATABASE_URL_FILE"):
        return _checked(_read(url_file), url_file)
    if not (host := environ.get("AMAS_DB_HOST")):
        return None
    return make_conninfo(
        host=host,
        port=environ.get("AMAS_DB_PORT", "5432"),
        user=environ.get("AMAS_DB_USER", JOBS),
        dbname=environ.get("AMAS_DATABASE", "danci"),
        password=_read(environ.get("AMAS_DB_PASSWORD_FILE", "/secrets/jobs_password")),
    )


def statement(name: str) -> str:
    """The block under `-- name: NAME` in one of the files; each name stands once."""
    return STATEMENTS[name]


def named_blocks(text: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# File by file: what stands before the first name of one is no part of the last block of another.
STATEMENTS = {
    name: text
    for file in sorted(SQL.glob("*.sql"))
    for name, text in named_blocks(file.read_text(encoding="utf-8")).items()
}


def _from_host(stack: str) -> str:
    url = from_running(engine.connect(), stack, reach.config(stack)).database_url
    if url is None:
        raise EnvironmentMissing(f"the database of stack `{stack}` does not run here", "amas status")
    return url


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as reason:
        raise EnvironmentMissing(f"the secret file {path} cannot be read: {reason.strerror}") from None


def _checked(url: str, path: str) -> str:
    """What libpq says of an address it cannot read may hold the password."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise EnvironmentMissing(
            f"{path} holds no address such as postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    return url


def _reason(error: psycopg.Error) -> str:
    told = error.diag.message_primary or str(error).strip() or type(error).__name__
    return told.splitlines()[-1]
