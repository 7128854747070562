"""Switches over a real queue Redis, the audit log in a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from service.admin.audit import Entry
from service.admin.switches import INSIGHT_WRITES, RedisBoard, Switches
from service.admin.testing import check_board_contract
from service.errors import StoreUnavailable
from service.insights.testing import raw_trace, recently
from service.redisdb import connect
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import ADMIN, INGEST, inside

pytestmark = pytest.mark.anyio

WRITES = f"/api/switches/{INSIGHT_WRITES}"
WITHIN_S = 10


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def board(queue: Cache) -> AsyncIterator[RedisBoard]:
    redis = connect(queue.url, timeout_s=1, most_connections=2)
    yield RedisBoard(redis)
    await redis.aclose()


async def until(seen: object, ask: Callable[[], Awaitable[object]]) -> None:
    """Asks until the answer is the one that is waited for."""
    async with asyncio.timeout(WITHIN_S):
        while await ask() != seen:  # noqa: ASYNC110  # it is asked over HTTP
            await asyncio.sleep(0.05)


async def test_the_real_board_keeps_the_contract(board: RedisBoard) -> None:
    await check_board_contract(board)


async def test_a_switch_outlives_a_kill_of_its_redis(board: RedisBoard, queue: Cache) -> None:
    switches, now = Switches(board), datetime.now(UTC)
    await switches.throw(INSIGHT_WRITES, on=True, reason="storm", by="admin:0a1b2c3d", now=now)
    await asyncio.to_thread(queue.kill)
    await switches.refresh()
    assert switches.is_on(INSIGHT_WRITES)
    with pytest.raises(StoreUnavailable):
        await board.read()
    await asyncio.to_thread(queue.start)
    await asyncio.to_thread(queue.await_ready)
    restarted = Switches(board)
    await restarted.refresh()
    assert restarted.state(INSIGHT_WRITES) == switches.state(INSIGHT_WRITES)


async def test_thrown_at_one_replica_it_stops_writes_at_all_of_them(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with (
        inside(database, cache, QUEUE_URL=queue.url) as here,
        inside(database, cache, QUEUE_URL=queue.url) as there,
    ):

        async def posted() -> int:
            raw = raw_trace("order:1", occurredAt=occurred)
            return (await there.client.post("/api/decisions", content=raw, headers=INGEST)).status_code

        occurred = recently()
        assert await posted() == 201
        thrown = await here.client.put(WRITES, json={"on": True, "reason": "storm"}, headers=ADMIN)
        assert thrown.status_code == 200
        await until(503, posted)
        assert await there.metric('amas_switch_on{name="disable-insight-writes"}') == 1
        assert (await there.client.get("/api/switches")).json()["switches"][0] == thrown.json()
        await there.client.put(WRITES, json={"on": False, "reason": "over"}, headers=ADMIN)
        assert await posted() == 200
    async with inside(database, cache, QUEUE_URL=queue.url) as later:
        shown = (await later.client.get("/api/switches")).json()["switches"][0]
        assert (shown["on"], shown["reason"], shown["by"]) == (False, "over", "admin:8c6976e5")


async def test_a_switch_cannot_be_thrown_without_its_redis(database: Database, cache: Cache) -> None:
    async with inside(database, cache) as up:
        response = await up.client.put(WRITES, json={"on": True, "reason": "storm"}, headers=ADMIN)
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert not up.service.switches.is_on(INSIGHT_WRITES)


@pytest.fixture
def audited(database: Database) -> Database:
    database.rows("TRUNCATE admin_audit")
    return database


async def test_actions_are_recorded_and_read_newest_first(audited: Database, cache: Cache) -> None:
    async with inside(audited, cache) as up:
        for number in range(5):
            await up.client.delete(f"/api/insights/order:{number}/cache", headers=ADMIN)
        await up.client.delete("/api/runs/r1", headers={"authorization": "Bearer read"})

        async def recorded() -> int:
            return len(audited.rows("SELECT at FROM admin_audit"))

        await until(5, recorded)
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = (await up.client.get("/api/audit", params=query, headers=ADMIN)).json()
            seen += [one["target"] for one in page["items"]]
            cursor = page["nextCursor"]
        assert seen == [f"order:{number}" for number in (4, 3, 2, 1, 0)]
        first = page["items"][0]
        assert first["action"] == "DELETE /api/insights/{decisionId}/cache"
        assert (first["by"], first["result"]) == ("admin:8c6976e5", 204)


async def test_entries_of_an_outage_are_written_after_it(audited: Database, cache: Cache) -> None:
    async with inside(audited, cache) as up:
        await asyncio.to_thread(audited.kill)
        assert (await up.client.delete("/api/insights/order:1/cache", headers=ADMIN)).status_code == 204
        await asyncio.to_thread(audited.start)
        await asyncio.to_thread(audited.await_ready)
        async with asyncio.timeout(60):
            while not audited.rows("SELECT at FROM admin_audit"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_an_entry_sent_twice_stands_once_and_ties_keep_their_order(
    audited: Database, cache: Cache
) -> None:
    now = datetime.now(UTC) - timedelta(hours=1)
    async with inside(audited, cache) as up:
        for name in ("b", "a", "b"):
            up.service.trail.note(Entry(name, now, "PUT /x", name, "admin:0a1b2c3d", "id", 200))
        await up.service.trail.finish(5)
        first = (await up.client.get("/api/audit?limit=1", headers=ADMIN)).json()
        query = {"limit": "1", "cursor": first["nextCursor"]}
        second = (await up.client.get("/api/audit", params=query, headers=ADMIN)).json()
        assert [first["items"][0]["target"], second["items"][0]["target"]] == ["b", "a"]
        assert second["nextCursor"] is None
