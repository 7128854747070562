"""Stores that go away: what was acknowledged is stored exactly once in the end, whoever took it."""

import asyncio
import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from service import redisdb
from service.insights.spool import RedisSpool
from service.insights.testing import raw_trace, recently, uuid7
from service.insights.testing_spool import spooled
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import (
    ADMIN,
    INGEST,
    Endless,
    Inside,
    environ,
    inside,
    poured,
    process,
)

pytestmark = pytest.mark.anyio

WITHIN_S = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def rows_of(database: Database) -> list[str]:
    return [str(one) for (one,) in database.rows("SELECT decision_id FROM decision_insights")]


async def until_drained(queue: Cache) -> None:
    with redis.Redis.from_url(queue.url) as client:
        async with asyncio.timeout(WITHIN_S):
            while await asyncio.to_thread(client.xlen, "amas:spool"):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.1)
        assert client.hlen("amas:spool:ids") == 0


def assert_kept_once(database: Database, statuses: dict[str, int]) -> None:
    stored = rows_of(database)
    assert len(stored) == len(set(stored)), "an id has two rows"
    assert {one for one, status in statuses.items() if status in (200, 201, 202)} <= set(stored)
    assert database.rows("SELECT * FROM decision_dead_letters") == []


async def post(up: Inside, raw: bytes) -> int:
    return (await up.client.post("/api/decisions", content=raw, headers=INGEST)).status_code


async def test_a_database_killed_under_load_costs_nothing_and_is_caught_up(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache, QUEUE_URL=queue.url), tmp_path) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces))
        await traces.reach(500)
        await asyncio.to_thread(database.kill)
        await traces.reach(500)
        pending = uuid7(datetime.now(UTC))
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            answer = await client.post("/api/decisions", content=raw_trace(pending), headers=INGEST)
            assert (answer.status_code, answer.json()["state"]) == (202, "spooled")
            assert (await client.get(f"/api/insights/{pending}")).json()["state"] == "pending"
            await asyncio.to_thread(database.start)
            await asyncio.to_thread(database.await_ready)
            await traces.reach(500)
            traces.stopped = True
            statuses = await pouring
            await until_drained(queue)
            assert (await client.get(f"/api/insights/{pending}")).status_code == 200
    assert_kept_once(database, statuses | {pending: 202})
    counts = Counter(statuses.values())
    assert set(counts) <= {200, 201, 202}, counts
    assert counts[202] > 100
    assert counts[201] > 100


async def test_without_the_queue_redis_the_database_is_enough(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with inside(database, cache, QUEUE_URL=queue.url) as up:
        assert await post(up, raw_trace(uuid7(datetime.now(UTC)))) == 201
        await asyncio.to_thread(queue.kill)
        statuses = [await post(up, raw_trace(uuid7(datetime.now(UTC)))) for _ in range(50)]
        assert set(statuses) == {201}
        assert (await up.service.recording.facts.of_database())["dead_letters.count"] == (0.0, 1)


async def test_a_full_queue_redis_costs_no_201_and_refuses_what_needs_it(
    database: Database, cache: Cache, queue: Cache
) -> None:
    with redis.Redis.from_url(queue.url) as client:
        most = client.config_get("maxmemory")["maxmemory"]
        # Not much less: clients get a share of it, and the greediest is cut.
        client.config_set("maxmemory", str(round(client.info("memory")["used_memory"] * 0.9)))
        try:
            async with inside(database, cache, QUEUE_URL=queue.url) as up:
                assert await post(up, raw_trace(uuid7(datetime.now(UTC)))) == 201
                up.service.queue.close("the database is away")
                answer = await up.client.post(
                    "/api/decisions", content=raw_trace(uuid7(datetime.now(UTC))), headers=INGEST
                )
                assert answer.status_code == 503
                assert answer.headers["retry-after"]
                up.service.queue.reopen()
                facts = await up.service.recording.facts.of_spool()
                assert facts["spool.up"] == (1.0, 1)
                assert facts["spool.fill"][0] > 100
        finally:
            client.config_set("maxmemory", most)


async def test_with_both_away_nothing_is_acknowledged(database: Database, cache: Cache, queue: Cache) -> None:
    async with inside(database, cache, QUEUE_URL=queue.url) as up:
        up.service.writer._timing = dataclasses.replace(up.service.writer._timing, retry_for_s=0.5)
        await asyncio.to_thread(queue.kill)
        await asyncio.to_thread(database.kill)
        for _ in range(3):
            answer = await up.client.post(
                "/api/decisions", content=raw_trace(uuid7(datetime.now(UTC))), headers=INGEST
            )
            assert answer.status_code == 503
            assert answer.headers["retry-after"]


async def test_sigterm_with_the_database_away_spools_what_was_taken(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache, QUEUE_URL=queue.url), tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
            assert (await client.get("/health")).status_code == 200
            await asyncio.to_thread(database.kill)
            ids = [uuid7(datetime.now(UTC)) for _ in range(20)]
            asked = [
                asyncio.create_task(client.post("/api/decisions", content=raw_trace(one), headers=INGEST))
                for one in ids
            ]
            await asyncio.sleep(0.3)
            stopping = asyncio.create_task(asyncio.to_thread(service.stop))
            assert {answer.status_code for answer in await asyncio.gather(*asked)} == {202}
            assert await stopping == 0
    await asyncio.to_thread(database.start)
    await asyncio.to_thread(database.await_ready)
    async with inside(database, cache, QUEUE_URL=queue.url):
        await until_drained(queue)
    assert sorted(rows_of(database)) == sorted(ids)


async def test_two_replicas_drain_one_spool_without_double_work(
    database: Database, cache: Cache, queue: Cache
) -> None:
    await fill(queue, 3000)
    urls = {"QUEUE_URL": queue.url, "WRITE_BATCH_ROWS": "50"}
    async with inside(database, cache, **urls) as one, inside(database, cache, **urls) as two:
        await until_drained(queue)
        drained = [await up.metric("amas_spool_drained_total") for up in (one, two)]
    assert sum(drained) == 3000
    assert min(drained) > 0
    assert len(rows_of(database)) == 3000


async def fill(queue: Cache, count: int) -> None:
    spool = RedisSpool(redisdb.connect(queue.url, timeout_s=5, most_connections=2), "filler")
    for start in range(0, count, 500):
        await spool.add([spooled(f"order:{n}") for n in range(start, min(count, start + 500))])
    await spool.close()


async def test_a_replica_killed_while_it_drains_leaves_its_entries_to_another(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    await fill(queue, 200)
    settings = {"QUEUE_URL": queue.url, "WRITE_BATCH_ROWS": "50", "DB_STATEMENT_TIMEOUT": "60000"}
    with psycopg.connect(database.url("owner")) as blocker:
        # Before the process is there: one that starts fast would have brought all of them by then.
        blocker.execute("LOCK TABLE decision_insights IN ACCESS EXCLUSIVE MODE")
        with process(environ(database, cache, **settings), tmp_path) as service:
            assert await asyncio.to_thread(_held, queue, service.process.kill) == 50
    with redis.Redis.from_url(queue.url) as client:
        # Idle for as long as it takes, without waiting for it.
        held = client.xpending_range("amas:spool", "drain", "-", "+", 100)
        client.xclaim(
            "amas:spool", "drain", held[0]["consumer"], 0, [one["message_id"] for one in held], idle=60_000
        )
    async with inside(database, cache, QUEUE_URL=queue.url):
        await until_drained(queue)
    assert len(rows_of(database)) == 200


def _held(queue: Cache, kill: Callable[[], None]) -> int:
    """Kill the process while its batch waits for a lock; how many entries it held."""
    with redis.Redis.from_url(queue.url) as client:
        deadline = time.monotonic() + WITHIN_S
        while not client.xpending("amas:spool", "drain")["pending"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        kill()
        return int(client.xpending("amas:spool", "drain")["pending"])


async def test_a_wait_for_the_standby_that_is_cancelled_is_spooled_and_never_201(
    database: Database, cache: Cache, queue: Cache
) -> None:
    raw = raw_trace(uuid7(datetime.now(UTC)))
    async with inside(database, cache, QUEUE_URL=queue.url, DB_STATEMENT_TIMEOUT="20000") as up:
        assert await post(up, raw_trace(uuid7(datetime.now(UTC)))) == 201
        up.service.writer._timing = dataclasses.replace(up.service.writer._timing, retry_for_s=0.5)
        with database.waiting_for_a_standby():
            await asyncio.sleep(0.3)
            asked = asyncio.create_task(post(up, raw))
            async with asyncio.timeout(WITHIN_S):
                while not asked.done():
                    await asyncio.to_thread(
                        database.superuser,
                        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
                    )
                    await asyncio.sleep(0.05)
            assert await asked == 202
            started = time.monotonic()
            assert await post(up, raw_trace(uuid7(datetime.now(UTC)))) == 202
            assert time.monotonic() - started < 2
        await until_drained(queue)
    assert len(rows_of(database)) == 3


async def test_a_conflict_and_a_poison_row_of_the_spool_are_letters_and_can_be_brought_again(
    database: Database, cache: Cache, queue: Cache
) -> None:
    spool = RedisSpool(redisdb.connect(queue.url, timeout_s=5, most_connections=2), "filler")
    at = recently()
    await spool.add([spooled("order:1", occurredAt=at), spooled("order:1", "r1", occurredAt=at)])
    await spool.add([spooled("order:2", action="forbidden"), spooled("order:3", "r1", action="forbidden")])
    await spool.close()
    database.rows("ALTER TABLE decision_insights ADD CONSTRAINT no_action CHECK (action <> 'forbidden')")
    try:
        async with inside(database, cache, QUEUE_URL=queue.url) as up:
            await until_drained(queue)
            letters = (await up.client.get("/api/dead-letters")).json()["items"]
            found = {(one["decisionId"], one["runId"], one["sqlstate"], one["attempts"]) for one in letters}
            assert found == {
                ("order:1", "r1", "23505", 0), ("order:2", None, "23514", 0), ("order:3", "r1", "23514", 0),
            }  # fmt: skip
            facts = await up.service.recording.facts.of_database()
            assert facts["dead_letters.count"] == (3.0, 1)
            replay = await up.client.post("/api/dead-letters/replay", headers=ADMIN)
            assert replay.json() == {"replayed": 3, "stored": 0, "duplicate": 0, "conflict": 1, "refused": 2}
            database.rows("ALTER TABLE decision_insights DROP CONSTRAINT no_action")
            assert (await up.client.delete("/api/runs/r1", headers=ADMIN)).json()["deleted"] == 0
            replay = await up.client.post("/api/dead-letters/replay", headers=ADMIN)
            assert replay.json() == {"replayed": 1, "stored": 1, "duplicate": 0, "conflict": 0, "refused": 0}
            assert (await up.client.get("/api/insights/order:2")).status_code == 200
            assert (await up.client.get("/api/dead-letters")).json()["items"] == []
    finally:
        database.rows("ALTER TABLE decision_insights DROP CONSTRAINT IF EXISTS no_action")
