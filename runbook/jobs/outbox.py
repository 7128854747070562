"""Records on their way into the database: each waits in a file of its own until it is there.

What cannot be written now is written by the next run, so that a database that is away costs no record.
"""

import json
from collections.abc import Callable
from pathlib import Path

from runbook import sql_session
from runbook.jobs import lock
from runbook.jobs.patience import patiently
from runbook.jobs.record import Record, from_json
from runbook.sql_session import Session

RETRY_FOR_S = 300.0
# Statements on small tables; one that takes longer waits for something that is wrong.
LIMIT_S = 10.0

Open = Callable[[], Session]


def keep(record: Record) -> Path:
    """Whole or not at all: a half-written one would be read by nobody."""
    path = lock.folder() / f"amas-job-{record.run_id}.record"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record.as_json()), encoding="utf-8")
    return unfinished.replace(path)


def deliver(stack: str, retry_for_s: float = RETRY_FOR_S) -> int:
    """How many were written; raises AmasError when the database took none for so long. They stay then."""

    def opened() -> Session:
        return sql_session.of(stack, LIMIT_S)

    return patiently(lambda: write_all(opened), retry_for_s)


def write_all(opened: Open) -> int:
    waiting = sorted(lock.folder().glob("amas-job-*.record"))
    if not waiting:
        return 0
    with opened() as session:
        for path in waiting:
            _write(session, from_json(path.read_text(encoding="utf-8")))
            path.unlink(missing_ok=True)
        session.rows("prune_job_runs")
    return len(waiting)


def _write(session: Session, record: Record) -> None:
    fields = record.as_json()
    session.rows("record_job_run", **(fields | {"detail": json.dumps(fields["detail"], ensure_ascii=False)}))
