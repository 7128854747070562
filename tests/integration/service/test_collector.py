"""Replicas share one queue Redis: figures of the cluster, a replica that dies, and a Redis that is away."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest

from service import redisdb
from service.collector.keep import Keep
from service.collector.share import Board, RedisBoard
from service.collector.testing import CONTRACT
from service.db import Pool
from service.insights.testing import raw_trace, uuid7
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import INGEST, Inside, inside
from tests.unit.service.snapshots import histogram, snapshot

pytestmark = pytest.mark.anyio
INTERVAL_S = 0.5
WITHIN_S = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110  # it is asked for, nothing signals it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("holds", CONTRACT, ids=lambda one: one.__name__)
async def test_the_real_board_keeps_the_contract(
    holds: Callable[[Board], Awaitable[None]], queue: Cache
) -> None:
    redis = redisdb.connect(queue.url, timeout_s=5.0, most_connections=2)
    try:
        await holds(RedisBoard(redis, 30.0))
    finally:
        await redis.aclose()


async def test_snapshots_of_a_replica_that_never_comes_back_expire(queue: Cache) -> None:
    redis = redisdb.connect(queue.url, timeout_s=5.0, most_connections=2)
    try:
        await RedisBoard(redis, 30.0).publish("a", [b"1"], time.time())
        assert 3590 <= await redis.ttl("amas:snapshots:a") <= 3600
    finally:
        await redis.aclose()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    database.rows("TRUNCATE metric_snapshots")
    pool = Pool(database.url("app"), 2, 5000)
    await pool.open(30.0)
    yield pool
    await pool.close()


async def test_each_interval_is_kept_once_whoever_leads(database: Database, pool: Pool) -> None:
    now = time.time()
    first = now // 30 * 30 - 60
    snapshots = [
        snapshot(first, *[0.1] * 30, replica="a", stored=30, errors=3, cache_hits=3, cache_misses=1),
        snapshot(first, *[0.1] * 30, replica="b", queue_rows=7, cpu_s=15.0, rss_bytes=1000),
        snapshot(first + 30, replica="a"),
    ]
    for _ in range(2):
        await Keep(pool, lambda: True, 30.0).keep(snapshots, now)
    kept = database.rows(
        "SELECT replicas, requests, errors, stored, throughput, error_rate_percent, cache_hit_rate_percent,"
        " queue_rows, cpu_percent_most, rss_bytes_most, extract(epoch FROM at)::float"
        " FROM metric_snapshots ORDER BY at LIMIT 1"
    )
    assert kept == [(2, 60, 3, 30, 2.0, 5.0, 75.0, 7, 50.0, 1000, first)]
    p95_ms = database.rows("SELECT p95_ms FROM metric_snapshots ORDER BY at")
    assert p95_ms == [(1000 * (histogram(0.1).percentile(95) or 0),), (None,)]


async def test_only_what_is_older_than_30_days_is_dropped(database: Database, pool: Pool) -> None:
    columns = [
        "at", "interval_s", "replicas", "requests", "errors", "refused", "conflicts", "run_requests",
        "stored", "throughput", "decisions_per_second", "queue_rows", "cpu_percent_most", "rss_bytes_most",
        "event_loop_lag_ms_most",
    ]  # fmt: skip
    for days in (1, 29, 40, 400):
        values = ", ".join([f"now() - interval '{days} days'"] + ["0"] * (len(columns) - 1))
        database.rows(f"INSERT INTO metric_snapshots ({', '.join(columns)}) VALUES ({values})")  # noqa: S608
    await Keep(pool, lambda: True, 30.0).keep([], time.time())
    assert database.rows("SELECT count(*) FROM metric_snapshots WHERE at > now() - interval '30 days'") == [
        (2,)
    ]
    assert database.rows("SELECT count(*) FROM metric_snapshots WHERE at < now() - interval '38 days'") == [
        (0,)
    ]


@pytest.mark.parametrize("role", ["reader", "monitor"])
def test_others_read_what_is_kept_and_change_nothing(role: str, database: Database) -> None:
    database.rows("SELECT * FROM metric_snapshots LIMIT 1", role)
    for statement in ("DELETE FROM metric_snapshots", "SELECT drop_old_metric_snapshots()"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.rows(statement, role)


def test_the_service_drops_nothing_by_itself(database: Database) -> None:
    for statement in (
        "DELETE FROM metric_snapshots",
        "UPDATE metric_snapshots SET requests = 0",
        "TRUNCATE metric_snapshots",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.rows(statement, "app")


@contextlib.asynccontextmanager
async def replica(database: Database, cache: Cache, queue_url: str) -> AsyncIterator[Inside]:
    settings = {
        "METRICS_COLLECTION_INTERVAL": str(round(1000 * INTERVAL_S)),
        "QUEUE_URL": queue_url,
        "REPLICAS_EXPECTED": "2",
    }
    async with inside(database, cache, **settings) as up:
        yield up


async def sent(up: Inside, count: int, **headers: str) -> None:
    for _ in range(count):
        body = raw_trace(uuid7(datetime.now(UTC)))
        response = await up.client.post("/api/decisions", content=body, headers=INGEST | headers)
        assert response.status_code == 201, response.text


async def test_figures_are_of_all_replicas_and_a_dead_one_is_missed(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with replica(database, cache, queue.url) as first:
        async with replica(database, cache, queue.url) as second:
            await asyncio.gather(sent(first, 20), sent(second, 30))

            async def both_counted() -> bool:
                values = await first.service.collecting.values()
                return values.get("http.latency.p95", (0, 0))[1] == 50

            await until(both_counted)
            values = await second.service.collecting.values()
            await until(lambda: _counted(second, 50))
            of_first = await first.service.collecting.values()
            values = await second.service.collecting.values()
            for name in ("http.latency.p50", "http.latency.p95", "http.latency.p99", "decision.latency.p99"):
                assert values[name] == of_first[name]
            assert values["replicas.live"][0] == 2
            assert values["replicas.missing"][0] == 0
            told = (await first.client.get("/api/about/monitoring")).json()
            assert told["shared"] is True
            assert {one["id"] for one in told["replicas"]} == {first.service.replica, second.service.replica}

        async def missed() -> bool:
            return (await first.service.collecting.values())["replicas.missing"] == (1.0, 1)

        await until(missed)
        # What the dead one served still counts.
        assert (await first.service.collecting.values())["http.latency.p95"][1] == 50

        async def listed_no_longer() -> bool:
            """An answer is given again for a second."""
            told = (await first.client.get("/api/about/monitoring")).json()
            return [one["id"] for one in told["replicas"]] == [first.service.replica]

        await until(listed_no_longer)


async def _counted(up: Inside, requests: int) -> bool:
    values = await up.service.collecting.values()
    return values.get("http.latency.p95", (0, 0))[1] == requests


async def test_with_the_queue_redis_away_its_own_values_are_still_there(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with replica(database, cache, queue.url) as up:
        await sent(up, 10)
        await until(lambda: _counted(up, 10))
        queue.kill()
        await sent(up, 5)
        await until(lambda: _counted(up, 15))
        values = await up.service.collecting.values()
        assert "replicas.missing" not in values
        assert values["db.up"] == (1.0, 1)
        told = (await up.client.get("/api/about/monitoring")).json()
        assert told["shared"] is False
        assert told["collector"]["isRunning"] is True
        queue.start()
        queue.await_ready()

        async def shared() -> bool:
            return "replicas.missing" in await up.service.collecting.values()

        await until(shared)
        assert await _counted(up, 15)


async def test_requests_of_a_run_are_left_out_of_the_objectives(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with replica(database, cache, queue.url) as up:
        await sent(up, 5, **{"X-Amas-Run-Id": "smoke-1"})
        await sent(up, 3)
        await until(lambda: _counted(up, 3))
        assert await up.metric('amas_http_requests_total{class="2xx",route="decisions"}') == 8
        rows = {one["id"]: one for one in (await up.client.get("/api/about/slo")).json()["rows"]}
        assert rows["latency_p95"]["samples"] == 3


async def test_the_leader_keeps_what_all_did(database: Database, cache: Cache, queue: Cache) -> None:
    database.rows("TRUNCATE metric_snapshots")
    async with replica(database, cache, queue.url) as first, replica(database, cache, queue.url) as second:
        await asyncio.gather(sent(first, 5), sent(second, 5))

        async def kept() -> bool:
            return database.rows("SELECT coalesce(sum(requests), 0) FROM metric_snapshots") == [(10,)]

        await until(kept)
        series = (await second.client.get("/api/about/series?window=15m")).json()
        assert sum(value or 0 for value in series["decisionsPerSecond"]) > 0
