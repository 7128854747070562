"""The collector inside a whole replica: its settings, its switch and its routes."""

import time

import pytest

from service.admin import switches
from service.collector.loop import Clock
from service.insights.testing import raw_trace
from tests.unit.service.standing import Standing, standing, v7

pytestmark = pytest.mark.anyio
ADMIN = {"authorization": "Bearer admin"}


async def throw(up: Standing, *, on: bool) -> None:
    response = await up.client.put(
        f"/api/switches/{switches.METRICS_COLLECTION}", json={"on": on, "reason": "test"}, headers=ADMIN
    )
    assert response.status_code == 200, response.text
    # What the replica does once a second.
    up.service.collecting.noticed(0.0)


async def counted(up: Standing) -> int:
    await up.service.collecting.once()
    values = await up.service.collecting.values()
    return values.get("http.latency.p95", (0.0, 0))[1]


async def test_requests_for_decisions_and_insights_are_traffic() -> None:
    async with standing() as up:
        assert (await up.post(raw_trace(v7()))).status_code == 201
        await up.client.get("/api/insights/order:1")
        for path in (
            "/health",
            "/ready",
            "/",
            "/api/about/slo",
            "/api/about/monitoring",
            "/api/alerts/active",
        ):
            await up.client.get(path)
        assert await counted(up) == 2


async def test_requests_of_a_run_are_not() -> None:
    async with standing() as up:
        await up.post(raw_trace(v7()), **{"X-Amas-Run-Id": "smoke-1"})
        assert await counted(up) == 0


async def test_the_interval_and_the_expected_replicas_are_those_of_the_settings() -> None:
    async with standing(METRICS_COLLECTION_INTERVAL="12000", REPLICAS_EXPECTED="3") as up:
        await up.service.collecting.once()
        told = (await up.client.get("/api/about/monitoring")).json()
        assert told["collector"]["intervalMs"] == 12_000
        assert told["collector"]["isRunning"] is True
        assert told["replica"] == up.service.replica
        assert (await up.service.collecting.values())["replicas.missing"] == (2.0, 1)


async def test_a_service_says_what_it_is() -> None:
    async with standing() as up:
        assert (await up.client.get("/api/about/monitoring")).json()["environment"] == "development"
    async with standing(ENVIRONMENT="production") as up:
        assert (await up.client.get("/api/about/monitoring")).json()["environment"] == "production"


async def test_disabled_by_the_environment_nothing_is_collected_and_stores_are_still_told_of() -> None:
    async with standing(DISABLE_METRICS_COLLECTION="true") as up:
        await up.post(raw_trace(v7()))
        assert await counted(up) == 0
        values = await up.service.collecting.values()
        assert values["db.up"] == (1.0, 1)
        assert (await up.client.get("/api/about/monitoring")).json()["collector"]["isRunning"] is False
        metrics = (await up.client.get("/api/about/metrics/prometheus")).text
        assert 'amas_http_requests_total{class="2xx",route="decisions"} 0.0' in metrics


async def test_the_switch_stops_collecting_at_run_time_and_starts_it_again() -> None:
    async with standing() as up:
        await throw(up, on=True)
        await up.post(raw_trace(v7()))
        assert await counted(up) == 0
        assert (await up.client.get("/api/about/monitoring")).json()["collector"]["isRunning"] is False
        await throw(up, on=False)
        await up.post(raw_trace(v7()))
        assert await counted(up) == 1


async def test_a_database_that_is_away_is_told_to_the_rules() -> None:
    async with standing() as up:
        up.reads.away = True
        up.service.readiness.clock = lambda: 1e12
        assert (await up.service.collecting.values())["db.up"] == (0.0, 1)


@pytest.mark.parametrize(("ttl", "same"), [("60", True), ("1", False)])
async def test_the_ttl_of_metrics_is_that_of_the_settings(ttl: str, same: bool) -> None:
    async with standing(CACHE_TTL_AMAS_METRICS=ttl) as up:
        first = (await up.client.get("/api/about/slo")).json()
        later = time.monotonic() + 2
        up.service.collecting.clock = Clock(lambda: time.time() + 2, lambda: later)
        assert ((await up.client.get("/api/about/slo")).json() == first) is same


async def test_every_route_of_the_collector_is_open_unless_reads_need_a_key() -> None:
    for path in ("slo", "monitoring", "series"):
        async with standing() as up:
            assert (await up.client.get(f"/api/about/{path}")).status_code == 200
        async with standing(READS_NEED_KEY="true") as up:
            assert (await up.client.get(f"/api/about/{path}")).status_code == 401
            keyed = await up.client.get(f"/api/about/{path}", headers={"authorization": "Bearer read"})
            assert keyed.status_code == 200
