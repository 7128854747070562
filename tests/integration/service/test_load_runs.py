"""Load tests in the real database: written as the schedule's role, told by the service as its own."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.capacity.command import highest_good
from runbook.errors import UsageError
from runbook.load_runs.alone import alone
from runbook.load_runs.keep import write
from runbook.load_runs.record import LoadRun
from runbook.sql_session import Session
from service.db import Session as ServiceSession
from service.load_runs import MOST, LoadRuns
from tests.integration.service.conftest import Database

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
RUN = LoadRun("lt-1", NOW, NOW, "mixed", "smoke", "0.1.0-ab", 2, "passed", 20.5, 41.0, 0.0, 5.0)

STORED = """
INSERT INTO decision_insights VALUES
('{0}', now(), now(), 'u', 'a', 1, '{{}}', '{{}}', '[]', '{{}}', {1}, 'x')
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def kept(database: Database, *runs: LoadRun) -> None:
    database.rows("TRUNCATE load_runs")
    with Session(database.url("jobs")) as session:
        for run in runs:
            write(session, run)


async def told(database: Database) -> list[tuple[str, str, str, float | None]]:
    reads = ServiceSession(database.url("app"), 5000)
    try:
        load_runs = LoadRuns(reads)
        await load_runs.look()
        return [(one.test, one.profile, one.release, one.p95_ms) for one in load_runs.newest]
    finally:
        await reads.close()


async def test_of_each_test_profile_and_release_the_newest_is_told(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    kept(
        database,
        replace(RUN, run_id="lt-2", started_at=later, finished_at=later, p95_ms=30.0),
        RUN,
        replace(RUN, run_id="lt-3", release="0.1.0-cd", p95_ms=25.0),
    )
    assert await told(database) == [
        ("mixed", "smoke", "0.1.0-ab", 30.0),
        ("mixed", "smoke", "0.1.0-cd", 25.0),
    ]


async def test_a_run_that_is_sent_twice_stands_once_and_as_it_was(database: Database) -> None:
    kept(database, RUN, replace(RUN, p95_ms=999.0))
    assert await told(database) == [("mixed", "smoke", "0.1.0-ab", 20.5)]


async def test_of_many_releases_those_are_told_that_were_tested_last(database: Database) -> None:
    runs = [
        replace(RUN, run_id=f"lt-{n}", release=f"r{n:03}", finished_at=NOW + timedelta(minutes=n))
        for n in range(MOST + 8)
    ]
    kept(database, *runs)
    found = [release for _, _, release, _ in await told(database)]
    assert found == [f"r{n:03}" for n in range(MOST + 7, 7, -1)]


async def test_capacity_goes_by_the_newest_rising_load_that_passed(database: Database) -> None:
    rising = replace(
        RUN, run_id="lt-3", profile="breakpoint", highest_good_per_s=800.0, gave_way="at 900/s P95 310 ms"
    )
    kept(
        database,
        RUN,
        rising,
        replace(rising, run_id="lt-2", finished_at=NOW + timedelta(hours=1), verdict="invalid"),
    )
    with Session(database.url("reader"), read_only=True) as session:
        found = highest_good(session)
    assert found
    assert (found.requests, found.replicas, found.gave_way) == (800.0, 2, "at 900/s P95 310 ms")


async def test_rows_of_a_run_without_a_record_are_found_and_no_others(database: Database) -> None:
    kept(database, RUN)
    database.rows("TRUNCATE decision_insights")
    for decision_id, run_id in (("a", "'lt-1'"), ("b", "'lt-2'"), ("c", "'lt-2'"), ("d", "NULL")):
        database.rows(STORED.format(decision_id, run_id))
    with Session(database.url("jobs")) as session:
        assert session.rows("runs_without_record") == [{"run_id": "lt-2"}]


async def test_the_scheduler_and_a_host_cannot_both_hold_the_load_tests_lock(
    database: Database, tmp_path: Path
) -> None:
    def held_as(role: str) -> AbstractContextManager[None]:
        (tmp_path / role).write_text(database.url(role))
        return alone("local", pytest.fail, {"AMAS_DATABASE_URL_FILE": str(tmp_path / role)})

    with held_as("jobs"), pytest.raises(UsageError, match="another load test"), held_as("owner"):
        pytest.fail("both hold it")
    with held_as("owner"):
        pass
