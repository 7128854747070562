"""The alerts' real stores keep the contract of their twins."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from service import redisdb
from service.alerts import testing
from service.alerts.lease import DatabaseLock, Lease, RedisLease
from service.alerts.shelf import DatabaseShelf, Ledger, RedisLedger, Shelf
from service.db import Session

if TYPE_CHECKING:
    from tests.integration.service.conftest import Cache, Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def sessions(database: "Database") -> AsyncIterator[tuple[Session, Session]]:
    database.rows("TRUNCATE alert_history")
    both = Session(database.url("app"), 5000), Session(database.url("app"), 5000)
    yield both
    for one in both:
        await one.close()


@pytest.fixture
async def redis(queue: "Cache") -> AsyncIterator[redisdb.Redis]:
    client = redisdb.connect(queue.url, timeout_s=2.0, most_connections=4)
    yield client
    await client.aclose()


@pytest.mark.parametrize("case", testing.SHELF_CONTRACT, ids=lambda case: case.__name__)
async def test_the_database_keeps_the_contract(
    sessions: tuple[Session, Session], case: Callable[[Shelf], Awaitable[None]]
) -> None:
    await case(DatabaseShelf(sessions[0]))


@pytest.mark.parametrize("case", testing.SHELF_CONTRACT, ids=lambda case: case.__name__)
async def test_the_queue_keeps_the_contract(
    redis: redisdb.Redis, case: Callable[[Shelf], Awaitable[None]]
) -> None:
    await case(RedisLedger(redis))


@pytest.mark.parametrize("case", testing.LEDGER_CONTRACT, ids=lambda case: case.__name__)
async def test_the_queue_keeps_what_the_database_is_owed(
    redis: redisdb.Redis, case: Callable[[Ledger], Awaitable[None]]
) -> None:
    await case(RedisLedger(redis))


@pytest.mark.parametrize("case", testing.LEASE_CONTRACT, ids=lambda case: case.__name__)
async def test_the_lease_keeps_the_contract(
    redis: redisdb.Redis, case: Callable[[Lease, Lease], Awaitable[None]]
) -> None:
    one, other = (RedisLease(redis, secrets.token_hex(3), 15.0) for _ in range(2))
    await case(one, other)
    assert await one.holder() in (one._holder, other._holder)


@pytest.mark.parametrize("case", testing.LEASE_CONTRACT, ids=lambda case: case.__name__)
async def test_the_lock_keeps_the_contract(
    sessions: tuple[Session, Session], case: Callable[[Lease, Lease], Awaitable[None]]
) -> None:
    await case(DatabaseLock(sessions[0]), DatabaseLock(sessions[1]))


async def test_a_lock_ends_with_its_connection_however_often_it_was_taken(
    sessions: tuple[Session, Session],
) -> None:
    one, other = (DatabaseLock(session) for session in sessions)
    assert [await one.take() for _ in range(3)] == [True, True, True]
    await one.give_up()
    assert await other.take()


async def test_a_lock_is_free_the_moment_it_was_given_up(sessions: tuple[Session, Session]) -> None:
    one, other = (DatabaseLock(session) for session in sessions)
    for _ in range(100):
        assert await one.take()
        await one.give_up()
        one, other = other, one


async def test_events_older_than_400_days_go_in_portions(
    database: "Database", sessions: tuple[Session, Session]
) -> None:
    database.rows(
        """
        INSERT INTO alert_history (event_id, status, at, alert_id, rule_id, metric, severity, alert)
        SELECT 'e' || days, 'firing', now() - make_interval(days => days), 'a', 'r', 'm', 'low', '{}'
        FROM unnest(ARRAY[399, 401, 402, 403]) AS old (days)
        """
    )
    shelf = DatabaseShelf(sessions[0])
    assert [await shelf.prune(2) for _ in range(3)] == [2, 1, 0]
    assert database.rows("SELECT event_id FROM alert_history") == [("e399",)]


def test_the_readers_see_the_outbox_and_the_silences_and_the_service_deletes_nothing(
    database: "Database",
) -> None:
    assert database.rows("SELECT count(*) FROM alert_outbox", "reader") == [(0,)]
    assert database.rows("SELECT count(*) FROM alert_silences", "reader") == [(0,)]
    for table in ("alert_book", "alert_history"):
        (allowed,) = database.rows(f"SELECT has_table_privilege('{table}', 'DELETE')", "app")
        assert allowed == (False,)
