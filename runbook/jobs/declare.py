"""Tells the database what a crontab promises, so that what never ran is missed as well."""

import json
from collections.abc import Sequence

from runbook.jobs.crontab import Scheduled
from runbook.jobs.record import checked_name
from runbook.sql_session import Statements


def declare(session: Statements, runner: str, jobs: Sequence[Scheduled]) -> None:
    """All of the runner's jobs in one statement; those it does no more are missed no longer."""
    wanted = [
        {
            "job": checked_name(one.job),
            "schedule": one.schedule,
            "limit_s": one.limit_s,
            "due_within_s": round(one.due_within.total_seconds()),
        }
        for one in jobs
    ]
    session.rows("declare_jobs", runner=runner, jobs=json.dumps(wanted))
