"""Retention on the real hypertable: old days go, whoever asks for too much is refused."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from service.db import Session
from service.insights import testing
from service.insights.retention import Retention
from service.insights.store import DatabaseStore
from tests.integration.service.conftest import Database

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Ignore:
    def retained(self, last_success: float | None, oldest_chunk_age_s: float) -> None: ...
    def retention_failed(self) -> None: ...


async def test_only_whole_days_past_the_retention_go_with_their_keys(database: Database) -> None:
    database.rows("TRUNCATE retention_runs")
    session = Session(database.url("app"), 5000)
    try:
        ages = (1, 6, 9, 20)
        batch = [testing.decision(testing.uuid7(NOW - timedelta(days=age))) for age in ages]
        at = [(NOW - timedelta(days=age)).isoformat() for age in ages]
        batch += [
            testing.decision(f"order:{age}", occurredAt=when) for age, when in zip(ages, at, strict=True)
        ]
        await DatabaseStore(session).write(batch)
        keeper = Retention(session, Ignore(), lambda: NOW, asyncio.sleep, 7)
        assert await keeper.look()
        assert database.rows("SELECT count(*) FROM decision_insights") == [(4,)]
        assert database.rows("SELECT decision_id FROM decision_keys ORDER BY 1") == [
            ("order:1",),
            ("order:6",),
        ]
        ((chunks, keys),) = database.rows("SELECT chunks, keys FROM retention_runs")
        assert (chunks, keys) == (2, 2)
        assert not await keeper.look()
    finally:
        await session.close()


async def test_while_another_session_drops_no_key_goes_before_its_row(database: Database) -> None:
    database.rows("TRUNCATE retention_runs")
    session = Session(database.url("app"), 5000)
    try:
        when = (NOW - timedelta(days=9)).isoformat()
        await DatabaseStore(session).write([testing.decision("order:9", occurredAt=when)])
        keeper = Retention(session, Ignore(), lambda: NOW, asyncio.sleep, 7)
        with psycopg.connect(database.url("owner")) as other:
            other.execute("SELECT pg_advisory_xact_lock(1634558324)")
            assert not await keeper.look()
            assert database.rows("SELECT count(*) FROM decision_keys") == [(1,)]
            assert database.rows("SELECT count(*) FROM retention_runs") == [(0,)]
        assert await keeper.look()
        assert database.rows("SELECT count(*) FROM decision_keys") == [(0,)]
    finally:
        await session.close()


@pytest.mark.parametrize("call", ["drop_old_chunks({})", "prune_keys({}, 1)", "prune_letters({}, 1)"])
@pytest.mark.parametrize("cutoff", ["now() - interval '23 hours'", "now() + interval '1 day'", "NULL"])
def test_what_is_younger_than_a_day_is_out_of_its_reach(database: Database, call: str, cutoff: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="younger than a day"):
        database.rows(f"SELECT {call.format(cutoff)}", "app")


@pytest.mark.parametrize("role", ["reader", "monitor"])
def test_only_the_service_may_ask(database: Database, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows("SELECT drop_old_chunks(now() - interval '90 days')", role)
