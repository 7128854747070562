"""The disk of the queue is full: Redis ends itself rather than acknowledge what it cannot keep."""

from collections.abc import Iterator
from datetime import UTC, datetime

import docker
import pytest
import redis

from service.insights.testing import raw_trace, recently, uuid7
from tests.integration.service.conftest import Cache, Database, running_redis
from tests.integration.service.standing import INGEST, Inside, inside

pytestmark = pytest.mark.anyio

DISK_MB = 8
PIECE = b"x" * 200_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def cramped(engine: docker.DockerClient, network: str) -> Iterator[Cache]:
    with running_redis(engine, network, "queue", disk_mb=DISK_MB) as queue:
        yield queue


async def test_a_full_disk_of_the_queue_costs_no_decision_while_the_database_lives(
    database: Database, cache: Cache, cramped: Cache
) -> None:
    async with inside(database, cache, QUEUE_URL=cramped.url) as up:
        assert await posted(up, 5) == {201}
        written = fill(cramped)
        assert 0 < written <= 2 * DISK_MB * 1_000_000 / len(PIECE)
        assert await posted(up, 50) == {201}
    assert database.rows("SELECT count(*) FROM decision_insights") == [(55,)]


async def test_with_the_database_away_too_nothing_is_acknowledged(
    database: Database, cache: Cache, cramped: Cache
) -> None:
    async with inside(database, cache, QUEUE_URL=cramped.url) as up:
        fill(cramped)
        database.kill()
        assert await posted(up, 3) == {503}
        database.start()
        database.await_ready()


def fill(queue: Cache) -> int:
    """How many pieces fitted until Redis no longer took any."""
    with redis.Redis.from_url(queue.url) as client:
        for number in range(200):
            try:
                client.set(f"filler:{number}", PIECE)
            except (redis.RedisError, OSError):
                return number
    pytest.fail("the disk never ran full")


async def posted(up: Inside, count: int) -> set[int]:
    bodies = [raw_trace(uuid7(datetime.now(UTC)), occurredAt=recently()) for _ in range(count)]
    return {
        (await up.client.post("/api/decisions", content=body, headers=INGEST)).status_code for body in bodies
    }
