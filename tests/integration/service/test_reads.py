"""Reading back what was stored, on the real database and cache."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import redis

from service.insights.testing import raw_trace, recently, uuid7
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import ADMIN, INGEST, LINES, Inside, inside

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def up(database: Database, cache: Cache, queue: Cache) -> AsyncIterator[Inside]:
    async with inside(database, cache, QUEUE_URL=queue.url) as service:
        yield service


async def post(up: Inside, *raws: bytes, **headers: str) -> None:
    response = await up.client.post("/api/decisions", content=b"\n".join(raws), headers=LINES | headers)
    assert response.json()["stored"] == len(raws), response.text


async def get(up: Inside, path: str, **parameters: str) -> httpx.Response:
    response = await up.client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("kind", ["v7", "other"])
async def test_every_field_comes_back(up: Inside, kind: str) -> None:
    when = datetime.now(UTC) - timedelta(days=3)
    decision_id = uuid7(when) if kind == "v7" else "order:17"
    state = {"text": 'ü \\ " 😀', "deep": {"list": [1, 2.5, None, True, {}]}, "big": 12345678901234567890123}
    raw = raw_trace(
        decision_id,
        occurredAt=when.isoformat(),
        stateSnapshot=state,
        difficultyFactors={"length": 1.25, "rarity": 1e-9},
        triggers=["a", "", "ü"],
        model={"name": "m1", "version": 3},
    )
    await post(up, raw)
    insight = (await get(up, f"/api/insights/{decision_id}")).json()
    assert insight["stateSnapshot"] == state
    assert insight["difficultyFactors"] == {"length": 1.25, "rarity": 1e-9}
    assert insight["triggers"] == ["a", "", "ü"]
    assert insight["model"] == {"name": "m1", "version": 3}
    assert insight["userId"] == "user-1"
    assert insight["action"] == "raise_difficulty"
    assert insight["durationMs"] == 12.5
    assert datetime.fromisoformat(insight["occurredAt"]) == when
    created_at = datetime.fromisoformat(insight["createdAt"])
    assert created_at == (when.replace(microsecond=when.microsecond // 1000 * 1000) if kind == "v7" else when)
    assert set(insight) == {
        "decisionId", "userId", "occurredAt", "createdAt", "action", "durationMs",
        "stateSnapshot", "difficultyFactors", "triggers", "model",
    }  # fmt: skip


async def test_the_cache_is_asked_first_and_its_entries_end(up: Inside, cache: Cache) -> None:
    await post(up, raw_trace("order:1", occurredAt=recently()))
    assert (await get(up, "/api/insights/order:1")).headers["x-cache"] == "miss"
    hit = await get(up, "/api/insights/order:1")
    assert hit.headers["x-cache"] == "hit"
    with redis.Redis.from_url(cache.url) as client:
        ttl_ms = client.pttl("decision_insight:order:1")
        assert isinstance(ttl_ms, int)
        assert 0.9 * 300_000 - 5000 < ttl_ms <= 1.1 * 300_000
    assert (await up.client.delete("/api/insights/order:1/cache", headers=ADMIN)).status_code == 204
    assert (await get(up, "/api/insights/order:1")).headers["x-cache"] == "miss"


async def test_a_read_right_after_a_miss_finds_what_was_stored_between(up: Inside) -> None:
    assert (await up.client.get("/api/insights/order:1")).status_code == 404
    await post(up, raw_trace("order:1", occurredAt=recently()))
    assert (await up.client.get("/api/insights/order:1")).status_code == 200


async def test_pages_join_over_chunks_and_users(up: Inside) -> None:
    now = datetime.now(UTC)
    raws = [
        raw_trace(uuid7(now - timedelta(hours=7 * n)), userId=f"user-{n % 3}", n=n) for n in range(40)
    ] + [raw_trace(f"same:{n}", occurredAt=now.isoformat(), userId="user-0", n=100 + n) for n in range(20)]
    await post(up, *raws)

    async def numbers(**parameters: str) -> list[int]:
        seen: list[int] = []
        while True:
            page = (await get(up, "/api/insights", limit="7", **parameters)).json()
            seen += [one["n"] for one in page["items"]]
            if page["nextCursor"] is None:
                return seen
            parameters["cursor"] = page["nextCursor"]

    everything = await numbers()
    assert sorted(everything) == [*range(40), *range(100, 120)]
    assert [n for n in everything if n < 100] == list(range(40))
    assert sorted(await numbers(userId="user-0")) == [*range(0, 40, 3), *range(100, 120)]
    since, until = now - timedelta(hours=35), now - timedelta(hours=13)
    window = {"from": since.isoformat(timespec="milliseconds"), "to": until.isoformat()}
    assert await numbers(**window) in ([2, 3, 4], [2, 3, 4, 5])


async def test_runs_are_marked_counted_left_out_of_the_rate_and_purged(
    up: Inside, database: Database
) -> None:
    await post(up, raw_trace("real:1", occurredAt=recently()))
    run = [raw_trace(f"run:{n}", occurredAt=recently()) for n in range(2100)]
    run += [raw_trace(uuid7(datetime.now(UTC))) for _ in range(50)]
    await post(up, *run, **{"x-amas-run-id": "smoke-1"})
    assert (await get(up, "/api/runs/smoke-1")).json() == {"runId": "smoke-1", "stored": 2150}
    hours = (await get(up, "/api/insights/rate")).json()["hours"]
    assert sum(hour["insightsWritten"] for hour in hours) == 1
    await get(up, "/api/insights/run:1")
    purged = await up.client.delete("/api/runs/smoke-1", headers=ADMIN)
    assert purged.json() == {"runId": "smoke-1", "deleted": 2150}
    assert (await up.client.get("/api/insights/run:1")).status_code == 404
    assert database.rows("SELECT decision_id FROM decision_insights") == [("real:1",)]
    assert database.rows("SELECT decision_id FROM decision_keys") == [("real:1",)]
    assert (await up.client.delete("/api/runs/smoke-1", headers=ADMIN)).json()["deleted"] == 0
    again = await up.client.post("/api/decisions", content=run[0], headers=INGEST)
    assert again.status_code == 201


@pytest.mark.parametrize("kind", ["v7", "other"])
async def test_a_purge_takes_nothing_that_was_acknowledged_outside_of_its_run(up: Inside, kind: str) -> None:
    of_run, real = ((uuid7(datetime.now(UTC)) if kind == "v7" else f"order:{n}") for n in range(2))
    run = INGEST | {"x-amas-run-id": "smoke-1"}
    at = recently()
    statuses = [
        (await up.client.post("/api/decisions", content=raw_trace(one, occurredAt=at), headers=headers))
        for one, headers in ((of_run, run), (of_run, INGEST), (of_run, run), (real, INGEST), (real, run))
    ]
    assert [response.status_code for response in statuses] == [201, 409, 200, 201, 409]
    assert "belongs to a load or smoke run" in statuses[1].json()["detail"]
    purged = await up.client.delete("/api/runs/smoke-1", headers=ADMIN)
    assert purged.json()["deleted"] == 1
    await get(up, f"/api/insights/{real}")


async def test_reads_survive_connections_that_were_cut(up: Inside, database: Database) -> None:
    await post(up, raw_trace("order:1", occurredAt=recently()))
    database.superuser(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'amas-api'"
    )
    statuses = await asyncio.gather(*(up.client.get("/api/insights?limit=1") for _ in range(10)))
    assert {response.status_code for response in statuses} == {200}
    assert (await up.client.get("/ready")).status_code == 200


async def test_reads_beyond_those_that_may_wait_for_a_connection_are_told_so(
    database: Database, cache: Cache, queue: Cache
) -> None:
    async with inside(database, cache, QUEUE_URL=queue.url, DB_CONNECTION_POOL_SIZE="6") as up:
        asked = await asyncio.gather(*(up.client.get(f"/api/insights/order:{n}") for n in range(100)))
        assert {(response.status_code, response.json()["title"]) for response in asked} == {
            (404, "Not found"),
            (503, "Store busy"),
        }
        assert await up.metric('amas_db_pool_connections{state="open"}') == 1
        assert (await up.client.get("/ready")).status_code == 200


async def test_a_read_with_a_time_asks_no_chunk_of_another_day(up: Inside, database: Database) -> None:
    """An id carries its time or its key does, so a read does not touch every chunk."""
    now = datetime.now(UTC)
    await post(up, *(raw_trace(uuid7(now - timedelta(days=n))) for n in range(10)))
    plan = database.rows(
        "EXPLAIN SELECT insight FROM insights WHERE decision_id = 'x' AND created_at = '2026-01-01 00:00+00'"
    )
    assert "_hyper_" not in str(plan)
