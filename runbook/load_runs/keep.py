"""Writes a run into the stack's database, from the host or inside its network."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runbook import places, sql_session
from runbook.errors import AmasError
from runbook.load_runs.record import UNKNOWN_RELEASE, LoadRun, release_of, row_of
from runbook.sql_session import Statements

LIMIT_S = 10.0

Runs = Sequence[Mapping[str, Any]]


def keep(stack: str, facts: Mapping[str, Any]) -> LoadRun:
    """Raises AmasError when the database cannot be reached; a run that is kept already stays as it is."""
    row = row_of(facts, release())
    with sql_session.of(stack, LIMIT_S) as session:
        write(session, row)
    return row


def keep_all(stack: str, runs: Runs, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What could not be kept, in words: a verdict stands without its record."""
    if is_elsewhere(environ):
        return []
    try:
        for facts in runs:
            keep(stack, facts)
    except AmasError as reason:
        return [f"the result is not kept in the database: {reason.message}"]
    return []


def is_elsewhere(environ: Mapping[str, str]) -> bool:
    """With keys from files a run is at a place that is no stack of this checkout, but inside its network."""
    return bool(environ.get("AMAS_ADMIN_KEY_FILE")) and not sql_session.inside_network(environ)


def write(session: Statements, row: LoadRun) -> None:
    session.rows("record_load_run", **asdict(row))


def release(environ: Mapping[str, str] = os.environ) -> str:
    """What is tested: the service's image, by the environment of a container or the lock of this checkout."""
    if given := environ.get("AMAS_RELEASE"):
        return given
    try:
        return release_of(json.loads(places.image_lock().read_text(encoding="utf-8"))["service"]["tag"])
    except (OSError, ValueError, KeyError):
        return UNKNOWN_RELEASE
