"""Group commit on the real database: what was acknowledged is there, once, whatever happens beside it."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest

from service.insights import testing
from service.insights.testing import raw_trace, recently, uuid7
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import INGEST, LINES, Inside, inside

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def up(database: Database, cache: Cache) -> AsyncIterator[Inside]:
    async with inside(database, cache) as service:
        yield service


async def post(up: Inside, raw: bytes) -> int:
    return (await up.client.post("/api/decisions", content=raw, headers=INGEST)).status_code


def v7() -> str:
    return uuid7(datetime.now(UTC))


def count(database: Database) -> object:
    return database.rows("SELECT count(*) FROM decision_insights")[0][0]


async def until_decided(up: Inside, raw: bytes) -> int:
    """Send it again as a patient sender does; the first status that is not 503."""
    async with asyncio.timeout(15):
        while True:
            status = await post(up, raw)
            if status != 503:
                return status
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("decision_id", ["order:same", None])
async def test_fifty_with_the_same_id_make_one_row(
    up: Inside, database: Database, decision_id: str | None
) -> None:
    decision_id = decision_id or v7()
    raw = raw_trace(decision_id, occurredAt=recently())
    statuses = Counter(await asyncio.gather(*(post(up, raw) for _ in range(50))))
    assert statuses == {201: 1, 200: 49}
    assert count(database) == 1


async def test_fifty_contents_of_one_id_make_one_row_and_conflicts(up: Inside, database: Database) -> None:
    decision_id = v7()
    raws = [raw_trace(decision_id, action=f"action-{n}") for n in range(50)]
    assert Counter(await asyncio.gather(*(post(up, raw) for raw in raws))) == {201: 1, 409: 49}
    assert count(database) == 1


@pytest.mark.parametrize("timed", [False, True])
async def test_two_replicas_and_the_same_ids_make_one_row_each(
    database: Database, cache: Cache, timed: bool
) -> None:
    """In opposite order: whoever meets a row of the other waits for it, and never both for each other."""
    ids = [v7() if timed else f"order:{n}" for n in range(200)]
    raws = [raw_trace(one, occurredAt=recently()) for one in ids]
    async with inside(database, cache) as one, inside(database, cache) as two:
        statuses = Counter(
            await asyncio.gather(
                *(post(one, raw) for raw in raws), *(post(two, raw) for raw in reversed(raws))
            )
        )
    assert statuses == {201: 200, 200: 200}
    assert count(database) == 200


async def test_a_moved_time_does_not_make_a_second_row(up: Inside, database: Database) -> None:
    assert await post(up, raw_trace("order:1", occurredAt=recently())) == 201
    earlier = datetime.now(UTC).replace(hour=0, minute=0).isoformat()
    assert await post(up, raw_trace("order:1", occurredAt=earlier)) == 409
    assert count(database) == 1


async def test_a_poison_row_is_isolated_by_the_database(up: Inside, database: Database) -> None:
    """NUL is screened before the queue; here it is smuggled past the screen."""
    batch = [testing.decision(v7()) for _ in range(20)]
    batch[7] = msgspec.structs.replace(batch[7], state_snapshot=msgspec.Raw(b'{"a":"\\u0000"}'))
    receipts = await asyncio.gather(
        *(up.service.queue.offer(one, b"raw %d" % n) for n, one in enumerate(batch))
    )
    assert [n for n, receipt in enumerate(receipts) if receipt.outcome != "stored"] == [7]
    assert count(database) == 19
    ((decision_id, sqlstate, raw),) = database.rows(
        "SELECT decision_id, sqlstate, raw FROM decision_dead_letters"
    )
    assert (decision_id, sqlstate, raw) == (batch[7].decision_id, "22P05", b"raw 7")
    assert await up.metric("amas_dead_letters_total") == 1


async def test_ten_thousand_lines_are_stored(up: Inside, database: Database) -> None:
    body = b"\n".join(raw_trace(v7()) for _ in range(10_000))
    response = await up.client.post("/api/decisions", content=body, headers=LINES)
    assert response.json()["stored"] == 10_000
    assert count(database) == 10_000


async def test_a_writer_whose_connection_is_cut_goes_on(up: Inside, database: Database) -> None:
    assert await post(up, raw_trace(v7())) == 201
    database.superuser(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'amas-writer'"
    )
    assert await post(up, raw_trace(v7())) == 201
    assert await up.metric("amas_write_retries_total") >= 1


async def test_a_statement_that_takes_too_long_is_never_acknowledged(
    database: Database, cache: Cache
) -> None:
    async with inside(database, cache, DB_STATEMENT_TIMEOUT="200") as up:
        up.service.writer._timing = dataclasses.replace(up.service.writer._timing, retry_for_s=0.5)
        with psycopg.connect(database.url("owner")) as blocker:
            blocker.execute("LOCK TABLE decision_insights IN ACCESS EXCLUSIVE MODE")
            response = await up.client.post("/api/decisions", content=raw_trace(v7()), headers=INGEST)
            assert response.status_code == 503
            assert response.headers["retry-after"]
        assert await until_decided(up, raw_trace("order:1", occurredAt=recently())) == 201
    assert count(database) == 1


async def test_a_cancelled_wait_for_the_standby_is_not_durable(database: Database, cache: Cache) -> None:
    """The row is committed here, with only a warning: the sender must not hear 2xx, nor for a retry."""
    raw = raw_trace(v7())
    async with inside(database, cache, DB_STATEMENT_TIMEOUT="300") as up:
        up.service.writer._timing = dataclasses.replace(up.service.writer._timing, retry_for_s=1.0)
        with database.waiting_for_a_standby():
            await asyncio.sleep(0.3)
            assert await post(up, raw) == 503
        assert await until_decided(up, raw) == 200
    assert count(database) == 1
