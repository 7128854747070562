"""What the monitor tells over HTTP."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from service import http
from service.collector.loop import Clock
from service.collector.routes import About, Others
from service.collector.snapshot import Counters
from service.errors import Problem
from tests.unit.service.standing import client_of
from tests.unit.service.test_collector_loop import Replica

pytestmark = pytest.mark.anyio


class Asked:
    """The routes of one replica."""

    def __init__(self, replica: Replica, ttl_s: float = 60, *, open_to_all: bool = True) -> None:
        def may_read(_: Request) -> None:
            if not open_to_all:
                raise Problem(401, "Key needed", "no key was sent")

        others = Others(
            lambda: "b",
            lambda: {"isRunning": True},
            lambda: [{"name": "x", "on": False}],
            lambda: {"notifier.failing": (0.0, 1)},
        )
        about = About(replica.collecting, others, may_read, ttl_s)
        routes = about.routes()
        answered = {Problem: http.problem_response}
        self.client: httpx.AsyncClient = client_of(
            http.Edge(Starlette(routes=routes, exception_handlers=answered))
        )

    async def get(self, path: str, status: int = 200) -> Any:
        response = await self.client.get(f"/api/about/{path}")
        assert response.status_code == status, response.text
        return response.json()


async def served(replica: Replica, *seconds: float) -> None:
    """An interval with so many requests."""
    replica.serve(*seconds)
    replica.at += 30
    await replica.collecting.once()


async def test_a_replica_that_has_only_joined_shows_no_cpu_and_no_point() -> None:
    replica = Replica()
    await replica.collecting.join()
    (only,) = (await Asked(replica).get("monitoring"))["replicas"]
    assert (only["cpuPercent"], only["rssBytes"]) == (None, 1000)
    replica.at += 30
    assert (await Asked(replica).get("series"))["at"] == []
    replica.counters = Counters(cpu_s=15)
    await replica.collecting.once()
    (only,) = (await Asked(replica).get("monitoring"))["replicas"]
    assert only["cpuPercent"] == 50


async def test_monitoring_tells_of_every_part() -> None:
    replica = Replica()
    replica.probed = {
        "spool.up": (1, 1), "spool.length": (4, 1), "spool.age_s": (1.23456, 1), "spool.fill": (2.5, 1),
        "dead_letters.count": (3, 1), "dead_letters.age_s": (60, 1),
        "wal.sync_degraded": (1, 1), "wal.receiver_age_s": (12.3456, 1), "wal.receiver_lag_bytes": (16384, 1),
        "slot.fill": (0.4, 1),
    }  # fmt: skip
    task = await replica.run()
    found = await Asked(replica).get("monitoring")
    task.cancel()
    assert found["replica"] == "a"
    assert found["leader"] == "b"
    assert found["shared"] is True
    (only,) = found["replicas"]
    assert only == {
        "id": "a",
        "ageSeconds": 0,
        "queue": {"size": 1, "ageSeconds": 0},
        "pool": {"open": 0, "free": 0, "awaited": 0},
        "cpuPercent": 0,
        "rssBytes": 1000,
        "eventLoopLagSeconds": 0,
        "draining": False,
    }
    assert found["collector"] | {"snapshotMicroseconds": 0} == {
        "isRunning": True,
        "lastRun": "1970-01-02T01:01:30.000Z",
        "ageSeconds": 0,
        "stale": False,
        "intervalMs": 30_000,
        "snapshotMicroseconds": 0,
    }
    assert found["alerts"] == {"isRunning": True}
    assert found["queue"] == {"size": 1, "ageSeconds": 0}
    assert found["spool"] == {"state": "up", "length": 4, "ageSeconds": 1.235, "fillPercent": 2.5}
    assert found["deadLetters"] == {"count": 3, "ageSeconds": 60}
    assert found["wal"] == {
        "syncDegraded": True,
        "receiverAgeSeconds": 12.346,
        "receiverLagBytes": 16384,
        "slotFillPercent": 0.4,
        "slotLost": None,
    }
    assert found["cache"] == {"hitRatePercent": None}
    assert found["overheadMilliseconds"] is None
    assert found["switches"] == [{"name": "x", "on": False}]
    assert found["backup"] is None


async def test_monitoring_of_a_collector_that_stopped_is_stale() -> None:
    replica = Replica()
    task = await replica.run()
    replica.at += 91
    found = (await Asked(replica).get("monitoring"))["collector"]
    task.cancel()
    assert (found["isRunning"], found["stale"], found["ageSeconds"]) == (True, True, 91)


async def test_a_spool_that_nobody_knows_of_is_away() -> None:
    replica = Replica()
    replica.probed = {}
    assert (await Asked(replica).get("monitoring"))["spool"] == {
        "state": "away",
        "length": None,
        "ageSeconds": None,
        "fillPercent": None,
    }


async def test_values_are_those_that_rules_are_compared_with() -> None:
    replica = Replica()
    replica.probed = {"spool.length": (4, 1)}
    await served(replica, 0.010, 0.020)
    found = await Asked(replica).get("values")
    assert found["at"] == "1970-01-02T01:00:37.000Z"
    assert found["values"]["http.latency.p99"]["samples"] == 2
    assert 18 < found["values"]["http.latency.p99"]["value"] < 22
    assert found["values"]["spool.length"] == {"value": 4, "samples": 1}
    assert found["values"]["notifier.failing"] == {"value": 0, "samples": 1}
    assert "cache.hit_rate" not in found["values"]


async def test_values_need_the_key_that_reads_need() -> None:
    assert (await Asked(Replica(), open_to_all=False).get("values", 401))["status"] == 401


async def test_monitoring_is_asked_of_the_outside_once_a_second_at_most() -> None:
    replica = Replica()
    asked = Asked(replica)
    first = await asked.get("monitoring")
    replica.probed = {"dead_letters.count": (9, 1)}
    replica.at += 0.9
    assert await asked.get("monitoring") == first
    replica.at += 0.1
    assert (await asked.get("monitoring"))["deadLetters"]["count"] == 9


async def test_slo_tells_six_rows() -> None:
    replica = Replica()
    await served(replica, *[0.01] * 20)
    found = await Asked(replica).get("slo")
    assert found["at"] == "1970-01-02T01:00:37.000Z"
    assert len(found["rows"]) == 6
    assert {one["id"]: one["state"] for one in found["rows"]}["latency_p95"] == "met"


@pytest.mark.parametrize(("ttl_s", "after_s", "same"), [(60, 29, True), (60, 60, False), (5, 6, False)])
async def test_slo_is_told_from_memory_for_so_long(ttl_s: float, after_s: float, same: bool) -> None:
    replica = Replica()
    await served(replica, 0.01)
    asked = Asked(replica, ttl_s)
    first = await asked.get("slo")
    replica.at += after_s
    assert ((await asked.get("slo")) == first) is same


async def test_a_new_snapshot_ends_what_is_told_from_memory_but_not_what_alerts_see() -> None:
    replica = Replica()
    await served(replica, 0.01)
    asked = Asked(replica)
    await asked.get("slo")
    await served(replica, *[2.0] * 99)
    rows = {one["id"]: one for one in (await asked.get("slo"))["rows"]}
    assert rows["latency_p95"]["state"] == "breached"
    await asked.get("monitoring")
    replica.gauges = replica.gauges.__class__(queue_rows=600)
    assert (await asked.get("monitoring"))["queue"]["size"] == 1
    assert (await replica.collecting.values())["queue.size"][0] == 600


async def test_series_are_columns_of_the_window_that_was_asked_for() -> None:
    replica = Replica()
    for _ in range(40):
        await served(replica, 0.01)
    asked = Asked(replica)
    assert len((await asked.get("series"))["at"]) == 40
    assert len((await asked.get("series?window=1h"))["at"]) == 40
    quarter = await asked.get("series?window=15m")
    assert len(quarter["at"]) == 30
    assert set(quarter) == {
        "intervalSeconds", "at", "throughput", "p50", "p95", "p99", "errorRatePercent", "queue",
        "cacheHitRatePercent", "decisionsPerSecond",
    }  # fmt: skip


async def test_another_window_is_refused_with_what_is_allowed() -> None:
    found = await Asked(Replica()).get("series?window=2h", 400)
    assert found["detail"] == "window must be 15m or 1h; it came as '2h'"


@pytest.mark.parametrize("path", ["slo", "monitoring", "series"])
async def test_reads_may_need_a_key(path: str) -> None:
    await Asked(Replica(), open_to_all=False).get(path, 401)


def test_the_real_clock_is_the_wall_and_the_monotonic_one() -> None:
    clock = Clock()
    assert clock.now() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()
