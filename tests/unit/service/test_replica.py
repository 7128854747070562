"""A replica's life: when it wants traffic, and how it starts and ends."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from service import settings
from service.app import Service
from service.insights import trace
from service.insights.decision import Receipt, Refusal
from service.insights.testing import raw_trace, recently
from service.metrics import Metrics
from tests.unit.service.standing import ENVIRON, Reads, Standing, client_of, problem, standing, stores, v7

pytestmark = pytest.mark.anyio


@pytest.fixture
async def up() -> AsyncIterator[Standing]:
    async with standing() as service:
        yield service


async def test_ready_tells_each_dependency(up: Standing) -> None:
    response = await up.client.get("/ready")
    assert response.status_code == 200
    database = response.json()["dependencies"]["database"]
    assert database["state"] == "up"
    assert not database["required"]
    assert database["ageSeconds"] >= 0


async def test_a_database_that_goes_away_is_told_and_takes_no_replica_out(up: Standing) -> None:
    """It goes away for all replicas at once: the load balancer would have nobody left to ask."""
    up.cache.entries["decision_insight:order:1"] = (b"{}", 1)
    up.reads.away = True
    response = await up.client.get("/ready")
    assert response.status_code == 200
    database = response.json()["dependencies"]["database"]
    assert (database["state"], database["required"]) == ("down", False)
    assert (await up.client.get("/api/insights/order:1")).status_code == 200
    up.service.drain()
    assert (await up.client.get("/ready")).status_code == 503


async def test_not_ready_before_the_stores_are_open() -> None:
    service = Service(settings.load(ENVIRON), Metrics("test"), stores(Reads(away=True)))
    async with client_of(service.asgi) as client:
        response = await client.get("/ready")
    assert response.status_code == 503
    assert response.json()["dependencies"]["database"]["required"]


async def never() -> None:
    await asyncio.Event().wait()


async def test_told_to_drain_while_the_stores_open_it_starts_nothing() -> None:
    """A database that is away would hold up the end until somebody kills the process."""
    hangs = dataclasses.replace(stores(Reads()), open=never)
    service = Service(settings.load(ENVIRON), Metrics("test"), hangs)
    async with asyncio.timeout(2):
        starting = asyncio.create_task(service.start())
        await asyncio.sleep(0.01)
        service.drain()
        await starting
        await service.stop()
    assert service.readiness.draining


async def test_told_to_drain_before_the_start_it_starts_nothing() -> None:
    hangs = dataclasses.replace(stores(Reads()), open=never)
    service = Service(settings.load(ENVIRON), Metrics("test"), hangs)
    service.drain()
    async with asyncio.timeout(2):
        await service.start()
        await service.stop()


async def test_a_writer_that_ended_is_not_ready_and_refuses(up: Standing) -> None:
    def broken() -> None:
        raise RuntimeError("bug")

    up.service.queue.take = broken  # type: ignore[method-assign,assignment]
    # The writer waits in the old one for this.
    assert (await up.post(raw_trace(v7()))).status_code == 201
    spooled = await up.post(raw_trace(v7()))
    assert spooled.status_code == 202
    up.spool.stream.away = True
    refused = await up.post(raw_trace(v7()))
    assert "the writer ended" in str(problem(refused, 503)["detail"])
    assert refused.headers["retry-after"]
    # Whoever asked within the last second got the state of before.
    up.service.readiness.clock = lambda: time.monotonic() + 2
    response = await up.client.get("/ready")
    assert response.status_code == 503
    writer = response.json()["dependencies"]["writer"]
    assert (writer["state"], writer["required"], writer["reason"]) == ("down", True, "WriterFailed")


async def test_what_hangs_at_the_end_of_the_drain_is_answered(up: Standing) -> None:
    async def hang(_: object) -> list[Receipt]:
        await asyncio.Event().wait()
        return []

    up.store.write = hang  # type: ignore[method-assign,assignment]
    up.service.finish_within(0.02)
    async with asyncio.timeout(2):
        response = await up.post(raw_trace(v7()))
        assert response.status_code == 202
        up.spool.stream.away = True
        response = await up.post(raw_trace(v7()))
    problem(response, 503)
    assert response.headers["retry-after"]


async def test_not_ready_while_draining_and_still_serving(up: Standing) -> None:
    up.service.drain()
    response = await up.client.get("/ready")
    assert response.status_code == 503
    assert response.json()["status"] == "draining"
    assert (await up.post(raw_trace(v7()))).status_code == 201


async def test_stopping_writes_what_was_taken() -> None:
    async with standing() as up:
        parsed = trace.parse(raw_trace("order:1", occurredAt=recently()), datetime.now(UTC), trace.MOST_AHEAD)
        assert not isinstance(parsed, Refusal)
        receipt = up.service.queue.offer(parsed, b"raw")
        await up.service.stop()
        assert receipt.result().outcome == "stored"


async def test_the_writer_being_away_is_told_and_reads_go_on(up: Standing) -> None:
    up.service.writer.away = True
    response = await up.client.get("/ready")
    assert response.status_code == 200
    assert response.json()["dependencies"]["writer"]["state"] == "down"
