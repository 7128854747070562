"""The only importer of psycopg: a pool for reads, a session of its own for the writer, one error map."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from service.errors import StoreBusy, StoreRefused, StoreUnavailable

Rows = list[tuple[Any, ...]]
Parameters = Mapping[str, object]

SQL_DIR = Path(__file__).parent / "sql"
# A read that found no free connection for so long is better refused: the pool is the bottleneck.
POOL_WAIT_S = 2.0
# Requests that may wait for a connection, for each connection there is.
POOL_WAITERS = 16
# The pool's pauses between attempts double until this is over. Then the next request makes it try again,
# so that reads go on within a few seconds of the database's return and not within minutes.
RECONNECT_S = 3.0
# The server ends a statement first; this ends what the network swallowed.
BEYOND_STATEMENT_S = 2.0
CONNECT_S = 3


def _named_blocks(text: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# One file for each flow; a name stands once in all of them.
QUERIES = _named_blocks("".join(file.read_text(encoding="utf-8") for file in sorted(SQL_DIR.glob("*.sql"))))


class Pool:
    """Connections for reads; a broken one is replaced and the read tried once more."""

    def __init__(self, url: str, size: int, statement_timeout_ms: int) -> None:
        self._limit_s = statement_timeout_ms / 1000 + BEYOND_STATEMENT_S
        self._pool = AsyncConnectionPool(
            url,
            open=False,
            min_size=min(2, size),
            max_size=size,
            timeout=POOL_WAIT_S,
            max_waiting=size * POOL_WAITERS,
            reconnect_timeout=RECONNECT_S,
            kwargs=_session_arguments("amas-api", statement_timeout_ms),
        )

    async def open(self, timeout_s: float) -> None:
        """Raises StoreUnavailable when no connection stands in time."""
        try:
            await self._pool.open(wait=True, timeout=timeout_s)
        except PoolTimeout as error:
            raise StoreUnavailable(str(error)) from error

    async def close(self) -> None:
        await self._pool.close()

    def sizes(self) -> tuple[int, int, int]:
        """Open connections, those free, and requests that wait for one."""
        stats = self._pool.get_stats()
        return stats["pool_size"], stats["pool_available"], stats.get("requests_waiting", 0)

    async def rows(self, query: str, parameters: Parameters) -> Rows:
        """The rows of a named query; raises StoreUnavailable or StoreRefused."""
        try:
            return await self._rows(query, parameters)
        except _ConnectionLost:
            await self._pool.check()
            return await self._rows(query, parameters)

    async def _rows(self, query: str, parameters: Parameters) -> Rows:
        with translated():
            async with self._pool.connection() as connection:
                return await _run(connection, query, parameters, self._limit_s)


class Session:
    """One connection of its own, made when it is needed. Every statement is its own transaction."""

    def __init__(self, url: str, statement_timeout_ms: int, application: str = "amas-writer") -> None:
        self._url = url
        self._limit_s = statement_timeout_ms / 1000 + BEYOND_STATEMENT_S
        self._arguments = _session_arguments(application, statement_timeout_ms)
        # One statement at a time: a warning belongs to the statement it came with.
        self._turn = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._warnings: list[str] = []

    async def rows(self, query: str, parameters: Parameters) -> Rows:
        """The rows of a named query, after its COMMIT.

        A warning counts as not committed: a cancelled wait for the standby is told by nothing else.
        Raises StoreUnavailable, also when the outcome is not known, or StoreRefused.
        """
        async with self._turn:
            return await self._rows(query, parameters)

    async def _rows(self, query: str, parameters: Parameters) -> Rows:
        try:
            with translated():
                connection = await self._connected()
                self._warnings.clear()
                rows = await _run(connection, query, parameters, self._limit_s)
        except (StoreUnavailable, asyncio.CancelledError):
            await self.close()
            raise
        if self._warnings:
            raise StoreUnavailable(f"the database warned: {'; '.join(self._warnings)}")
        return rows

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._url, **self._arguments)
            self._connection.add_notice_handler(self._note)
        return self._connection

    def _note(self, notice: errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(str(notice.message_primary))


class _ConnectionLost(StoreUnavailable):
    """The connection broke; another one may well work."""


class translated:  # noqa: N801  # reads as a word in a with statement
    """Turns psycopg's errors into ours: bad content is StoreRefused, all else StoreUnavailable."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise StoreUnavailable("no answer from the database in time") from error
        if isinstance(error, TooManyRequests):
            raise StoreBusy(f"no free connection: {error}") from error
        if isinstance(error, PoolTimeout):
            raise StoreUnavailable(f"no free connection: {error}") from error
        if not isinstance(error, psycopg.Error):
            return
        sqlstate = error.sqlstate or ""
        reason = error.diag.message_primary or str(error).strip() or type(error).__name__
        if sqlstate[:2] in ("22", "23", "54"):
            raise StoreRefused(sqlstate, reason) from error
        lost = isinstance(error, psycopg.OperationalError) and (not sqlstate or sqlstate[:2] in ("08", "57"))
        # 57014 is a statement that took too long: the connection is fine, and once more is no help.
        raise (_ConnectionLost if lost and sqlstate != "57014" else StoreUnavailable)(reason) from error


class Owner:
    """The owner's connection while the schema changes; holds the migration lock once asked to."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def lock(self) -> None:
        """Waits for whoever migrates now; the lock ends with the connection."""
        self._connection.execute(QUERIES["migration_lock"])
        self._connection.execute(QUERIES["create_schema_migrations"])

    def recorded(self) -> dict[int, tuple[str, str]]:
        """Name and checksum of each applied migration by its number."""
        rows = self._connection.execute(QUERIES["applied_migrations"]).fetchall()
        return {number: (name, checksum) for number, name, checksum in rows}

    def apply(self, text: str, number: int, name: str, checksum: str) -> None:
        """One transaction: the file and the record of it, or neither."""
        with self._connection.transaction():
            self._connection.execute(QUERIES["migration_limits"])
            self._connection.execute(text)
            self._connection.execute(
                QUERIES["record_migration"],
                {"number": number, "name": name, "checksum": checksum},
            )


@contextmanager
def owner_session(url: str, wait_s: float, say: Callable[[str], None]) -> Iterator[Owner]:
    """Waits for the database to answer, telling `say` why not yet; raises StoreUnavailable after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            connection = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=CONNECT_S,
                application_name="amas-migrate",
                # A schema can be made again: with the backup's receiver away, `up` would wait for it.
                options="-c synchronous_commit=local",
            )
            break
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            if time.monotonic() + 1 > deadline:
                raise StoreUnavailable(f"no database within {wait_s:.0f} s: {reason}") from error
            say(f"waiting for the database: {reason}")
            time.sleep(1)
    with connection, translated():
        yield Owner(connection)


async def _run(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], query: str, parameters: Parameters, limit_s: float
) -> Rows:
    async with asyncio.timeout(limit_s):
        cursor = await connection.execute(QUERIES[query], parameters)
        return await cursor.fetchall() if cursor.description else []


def _session_arguments(application: str, statement_timeout_ms: int) -> dict[str, Any]:
    return {
        "autocommit": True,
        "connect_timeout": CONNECT_S,
        "application_name": application,
        "options": f"-c statement_timeout={statement_timeout_ms} -c timezone=UTC",
        # A peer that vanished is noticed in about 11 s instead of two hours.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
