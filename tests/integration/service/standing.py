"""The service on real stores, in this process or in one of its own."""

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from service import app, settings
from service.insights.testing import raw_trace, recently, uuid7
from tests.integration.service.conftest import Cache, Database

SCOPES = ("ingest", "read", "admin", "metrics")
KEYS = "\n".join(f"{scope} {hashlib.sha256(scope.encode()).hexdigest()}" for scope in SCOPES)
INGEST = {"authorization": "Bearer ingest", "content-type": "application/json"}
LINES = INGEST | {"content-type": "application/x-ndjson"}
ADMIN = {"authorization": "Bearer admin"}


# Nobody listens there: what the queue holds then has to go another way.
NO_QUEUE = "redis://127.0.0.1:1/0"


def environ(database: Database, cache: Cache, **changed: str) -> dict[str, str]:
    """Without a queue Redis, unless QUEUE_URL says where one is."""
    urls = {"DATABASE_URL": database.url("app"), "REDIS_URL": cache.url, "API_KEYS": KEYS}
    urls |= {"QUEUE_URL": NO_QUEUE}
    return urls | {"DB_CONNECTION_POOL_SIZE": "8"} | changed


@dataclass
class Inside:
    """The service in this process."""

    service: app.Service
    client: httpx.AsyncClient

    async def metric(self, line: str) -> float:
        text = (await self.client.get("/api/about/metrics/prometheus")).text
        return next(float(one.rpartition(" ")[2]) for one in text.splitlines() if one.startswith(line + " "))


@asynccontextmanager
async def inside(database: Database, cache: Cache, **changed: str) -> AsyncIterator[Inside]:
    service = app.create(settings.load(environ(database, cache, **changed)))
    await service.start()
    try:
        transport = httpx.ASGITransport(service.asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            yield Inside(service, client)
    finally:
        await service.stop()


@dataclass
class Process:
    """The service as it runs in its container, less the container."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def process(
    environment: Mapping[str, str], folder: Path, drain_s: float = 0.5, module: str = "service"
) -> Iterator[Process]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "service.log"
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--drain-seconds", str(drain_s)]
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=dict(os.environ) | dict(environment),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _until_healthy(url, running, log)
        yield Process(running, url, log)
    finally:
        running.kill()
        running.wait()


def _until_healthy(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while running.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


async def poured(url: str, bodies: AsyncIterator[tuple[str, bytes]], senders: int = 32) -> dict[str, int]:
    """Send each body once; the last status of each id, 0 where no answer came."""
    statuses: dict[str, int] = {}
    limits = httpx.Limits(max_connections=senders)

    async def send(client: httpx.AsyncClient) -> None:
        async for decision_id, body in bodies:
            try:
                statuses[decision_id] = (
                    await client.post("/api/decisions", content=body, headers=INGEST)
                ).status_code
            except httpx.TransportError:
                statuses[decision_id] = 0

    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(send(client) for _ in range(senders)))
    return statuses


class Endless:
    """Fresh traces, with ids of both kinds, until told to stop; may be shared by many senders."""

    def __init__(self) -> None:
        self.made = 0
        self.stopped = False

    async def reach(self, more: int) -> None:
        """Wait until so many more were asked for, however slow the machine is."""
        wanted = self.made + more
        async with asyncio.timeout(60):
            while self.made < wanted:  # noqa: ASYNC110  # many senders count, none of them signals
                await asyncio.sleep(0.01)

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        if self.stopped:
            raise StopAsyncIteration
        self.made += 1
        decision_id = uuid7(datetime.now(UTC)) if self.made % 2 else f"order:{id(self)}:{self.made}"
        return decision_id, raw_trace(decision_id, occurredAt=recently())
