"""The real process: it loses nothing it acknowledged, whoever is killed, and ends cleanly."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.insights.testing import raw_trace, recently
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import INGEST, KEYS, Endless, environ, poured, process

pytestmark = pytest.mark.anyio

# At its end a pool that doubles its pauses without a bound still sleeps for about ten seconds.
OUTAGE_S = 18


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def acknowledged(statuses: dict[str, int]) -> set[str]:
    return {decision_id for decision_id, status in statuses.items() if status in (200, 201)}


def stored(database: Database) -> list[str]:
    return [str(decision_id) for (decision_id,) in database.rows("SELECT decision_id FROM decision_insights")]


def assert_nothing_lost(database: Database, statuses: dict[str, int]) -> None:
    rows = stored(database)
    assert len(rows) == len(set(rows)), "an id has two rows"
    assert acknowledged(statuses) <= set(rows), "an acknowledged decision is gone"


def _until_ready(url: str) -> None:
    """The writer asks once a second whether the database is back."""
    deadline = time.monotonic() + 30
    while httpx.get(f"{url}/ready").json()["dependencies"]["writer"]["state"] != "up":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _until_draining(url: str) -> None:
    deadline = time.monotonic() + 10
    while (ready := httpx.get(f"{url}/ready")).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ready.json()["status"] == "draining"


async def test_a_killed_database_takes_no_acknowledged_decision_with_it(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache), tmp_path) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces))
        await traces.reach(500)
        await asyncio.to_thread(database.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(database.await_ready)
        await traces.reach(500)
        traces.stopped = True
        statuses = await pouring
        assert (await asyncio.to_thread(httpx.get, f"{service.url}/ready")).status_code == 200
    assert_nothing_lost(database, statuses)
    assert len(acknowledged(statuses)) > 100
    assert set(statuses.values()) <= {200, 201, 503}


async def test_a_database_that_stays_away_is_told_and_found_again(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache), tmp_path) as service:
        await asyncio.to_thread(database.kill)
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces, senders=4))
        await asyncio.sleep(1)
        ready = await asyncio.to_thread(httpx.get, f"{service.url}/ready")
        assert ready.status_code == 200
        assert ready.json()["dependencies"]["database"]["state"] == "down"
        assert (await asyncio.to_thread(httpx.get, f"{service.url}/health")).status_code == 200
        await asyncio.sleep(10)
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(database.await_ready)
        await asyncio.to_thread(_until_ready, service.url)
        await traces.reach(100)
        traces.stopped = True
        statuses = await pouring
        log = service.log.read_text()
    assert_nothing_lost(database, statuses)
    assert 503 in statuses.values()
    assert acknowledged(statuses)
    assert "Failed to write decision insight" in log
    assert "Traceback" not in log


async def test_reads_go_on_soon_after_the_database_is_back(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    cached, away = raw_trace("order:cached", occurredAt=recently()), []
    with process(environ(database, cache), tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            assert (await client.post("/api/decisions", content=cached, headers=INGEST)).status_code == 201
            assert (await client.get("/api/insights/order:cached")).status_code == 200
            await asyncio.to_thread(database.kill)
            until = time.monotonic() + OUTAGE_S
            while time.monotonic() < until:
                asked = time.monotonic()
                away.append(await client.get("/api/insights?limit=1"))
                assert time.monotonic() - asked < 6
                assert (await client.get("/api/insights/order:cached")).headers["x-cache"] == "hit"
                assert (await client.get("/ready")).status_code == 200
                await asyncio.sleep(0.2)
            await asyncio.to_thread(database.start)
            await asyncio.to_thread(database.await_ready)
            back = time.monotonic()
            while (await client.get("/api/insights?limit=1")).status_code != 200:
                assert time.monotonic() - back < 5
    assert {response.status_code for response in away} == {503}
    assert all(response.headers["retry-after"] for response in away)


@pytest.mark.parametrize("signals", [1, 2])
def test_sigterm_while_it_waits_for_the_database_ends_it_at_once(tmp_path: Path, signals: int) -> None:
    urls = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    urls |= {"QUEUE_URL": "redis://127.0.0.1:1/0"}
    with (tmp_path / "log").open("wb") as log:
        waiting = subprocess.Popen(
            [sys.executable, "-m", "service", "--port", "0"],
            env=dict(os.environ) | urls | {"API_KEYS": KEYS},
            stdout=log,
            stderr=log,
        )
    try:
        _until_said(tmp_path / "log", "error connecting")
        started = time.monotonic()
        for _ in range(signals):
            waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(timeout=30) == 0
        assert time.monotonic() - started < 10
    finally:
        waiting.kill()
        waiting.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


def _until_said(log: Path, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_a_killed_cache_costs_no_read_and_no_write(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache), tmp_path) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces, senders=4))
        await traces.reach(20)
        await asyncio.to_thread(cache.kill)
        async with httpx.AsyncClient(base_url=service.url) as client:
            await traces.reach(20)
            traces.stopped = True
            statuses = await pouring
            assert set(statuses.values()) == {201}
            for decision_id in list(statuses)[:20]:
                response = await client.get(f"/api/insights/{decision_id}")
                assert (response.status_code, response.headers["x-cache"]) == (200, "miss")
            # What it knows may be a second old.
            async with asyncio.timeout(10):
                while (await client.get("/ready")).json()["dependencies"]["cache"]["state"] != "down":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert (await client.get("/ready")).status_code == 200


async def test_sigterm_drains_and_exits_0_without_losing_anything(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    """Senders go on throughout: until the end of the drain they are served, then they are turned away."""
    with process(environ(database, cache), tmp_path, drain_s=4.0) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces))
        await traces.reach(200)
        stopping = asyncio.create_task(asyncio.to_thread(service.stop))
        await asyncio.to_thread(_until_draining, service.url)
        _, body = await anext(traces)
        async with httpx.AsyncClient(base_url=service.url) as client:
            assert (await client.post("/api/decisions", content=body, headers=INGEST)).status_code == 201
        assert await stopping == 0
        traces.stopped = True
        statuses = await pouring
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert_nothing_lost(database, statuses)
    assert lines[-1]["message"] == "stopped"
    assert lines[-1]["unanswered"] == 0


async def test_a_process_that_lost_a_task_drains_loses_nothing_and_ends_with_1(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    """Docker starts a whole one in its place."""
    module = "tests.integration.service.losing_a_task"
    with process(environ(database, cache), tmp_path, drain_s=2.0, module=module) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces))
        await traces.reach(200)
        service.process.send_signal(signal.SIGUSR1)
        await asyncio.to_thread(_until_draining, service.url)
        await traces.reach(100)
        assert await asyncio.to_thread(service.process.wait, 30) == 1
        traces.stopped = True
        statuses = await pouring
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert_nothing_lost(database, statuses)
    assert [one["task"] for one in lines if one["level"] == "critical"] == ["Losing.run"]
    assert lines[-1]["message"] == "stopped"
    assert lines[-1]["unanswered"] == 0


async def test_a_killed_service_loses_nothing_it_acknowledged(
    database: Database, cache: Cache, tmp_path: Path
) -> None:
    with process(environ(database, cache), tmp_path) as service:
        traces = Endless()
        pouring = asyncio.create_task(poured(service.url, traces))
        await traces.reach(500)
        service.process.kill()
        traces.stopped = True
        statuses = await pouring
    assert_nothing_lost(database, statuses)
    assert len(acknowledged(statuses)) > 100


def test_a_bad_environment_is_listed_and_exits_2(tmp_path: Path) -> None:
    environment = {"DATABASE_URL": "nonsense", "REDIS_URL": "", "QUEUE_URL": "", "WRITE_QUEUE_ROWS": "none"}
    with pytest.raises(AssertionError) as caught, process(environment, tmp_path):
        pass
    said = str(caught.value)
    assert "service: DATABASE_URL is not such an address" in said
    assert "service: REDIS_URL is not set" in said
    assert "service: WRITE_QUEUE_ROWS = 'none'" in said


def test_a_head_without_end_is_refused(database: Database, cache: Cache, tmp_path: Path) -> None:
    with process(environ(database, cache), tmp_path) as service:
        address = httpx.URL(service.url)
        assert address.port
        with socket.create_connection((address.host, address.port), timeout=5) as peer:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
            with contextlib.suppress(OSError):
                for _ in range(500):
                    peer.sendall(b"X-Filler: " + b"x" * 16_000 + b"\r\n")
                raise AssertionError("eight megabytes of head were taken")
        assert httpx.get(f"{service.url}/health").status_code == 200
