"""Rows of load tests that were cut off before they could purge them, such as by the stop of a container."""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime

from loadtests import aftermath
from loadtests.aftermath import Clock, Runs
from loadtests.plan import begun_at
from loadtests.results import UNFINISHED_FOR
from runbook import sql_session
from runbook.errors import UsageError
from runbook.load_runs.keep import is_elsewhere


def purge(
    stack: str, service: Runs, now: datetime, environ: Mapping[str, str] = os.environ
) -> dict[str, int]:
    """The rows that are left of each; the service takes them away, since nobody else may."""
    if is_elsewhere(environ):
        raise UsageError(
            "the keys are another place's, and which runs left rows is asked of its database: run this there",
            "amas loadtest purge --stack NAME",
        )
    with sql_session.of(stack, environ=environ) as session:
        found = [str(row["run_id"]) for row in session.rows("runs_without_record")]
    return {run_id: aftermath.purge(service, run_id, Clock()) for run_id in cut_off(found, now)}


def cut_off(run_ids: Iterable[str], now: datetime) -> list[str]:
    """Those of load tests that began longer ago than any lasts; the rows of smoke runs are not ours."""
    begun = {run_id: begun_at(run_id) for run_id in run_ids}
    return [run_id for run_id, at in begun.items() if at and now - at > UNFINISHED_FOR]
