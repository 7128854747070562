"""Names a moment of the live database in its WAL, and measures the database as it was at just that moment."""

import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from runbook.backup.manifest import Content, Manifest, Newest
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.portable.manifest import Table
from runbook.sql_session import Session, Statements

ROLE = "amas_backup"
COUNT_LIMIT_S = 3600
RECEIVED_WITHIN_S = 30
POLL_S = 0.005

OpenSession = Callable[[], Session]


def live() -> Session:
    """The database that is backed up; the password comes from PGPASSFILE."""
    host, database = os.environ.get("AMAS_DB_HOST", "db"), os.environ.get("AMAS_DATABASE", "danci")
    return Session(f"host={host} port=5432 user={ROLE} dbname={database}", COUNT_LIMIT_S)


def mark_of(now: datetime) -> str:
    return f"amas_{now:%Y%m%dT%H%M%S%f}"


def taken(open_session: OpenSession, name: str) -> Manifest:
    """Writers stand still while the moment is named, not while it is measured: a snapshot keeps it."""
    with open_session() as snapshot:
        with open_session() as holder:
            holder.rows("backup_begin")
            holder.rows("backup_quick_commit")
            holder.rows("backup_hold")
            snapshot.rows("backup_one_snapshot")
            snapshot.rows("backup_begin")
            snapshot.rows("backup_fix_snapshot")
            (point,) = holder.rows("backup_restore_point", mark=name)
            holder.rows("backup_commit")
        return Manifest(name, point["lsn"], point["at"].isoformat(), measured(snapshot))


def measured(session: Session, tables: Mapping[str, Table] | None = None) -> Content:
    """All that is compared; `tables` where they are counted already."""
    (server,) = session.rows("backup_server")
    (schema,) = session.rows("backup_schema")
    (newest,) = session.rows("backup_newest_insights")
    return Content(
        server_version=server["server_version"],
        extensions=server["extensions"],
        max_connections=server["max_connections"],
        size_bytes=server["size_bytes"],
        schema_hash=schema["hash"],
        tables=tables_of(session) if tables is None else tables,
        newest=Newest(newest["rows"], newest["digest"]),
    )


def tables_of(session: Session) -> dict[str, Table]:
    session.rows("backup_read_heaps")
    return dict(_table(session, one["statement"]) for one in session.rows("backup_figures"))


def _table(session: Session, statement: str) -> tuple[str, Table]:
    (one,) = session.run(statement, "the rows of a table")
    return one["name"], Table(one["rows"], one["newest"], one["is_hypertable"])


def received_after_s(session: Statements, lsn: str, clock: Callable[[], float] = time.monotonic) -> float:
    """How long what is committed takes to be on our disk: what a loss of the database's host would cost."""
    started = clock()
    while clock() - started < RECEIVED_WITHIN_S:
        (seen,) = session.rows("backup_received", lsn=lsn)
        if seen["received"]:
            return clock() - started
        time.sleep(POLL_S)
    told = "streams, but is behind" if seen["streams"] else "does not stream"
    raise CheckFailed(
        f"the newest minutes are not here: the receiver of WAL {told}, {RECEIVED_WITHIN_S} s after a commit",
        "amas backup status",
    )


def reachable(open_session: OpenSession) -> bool:
    try:
        open_session().__exit__(None, None, None)
    except EnvironmentMissing:
        return False
    return True
