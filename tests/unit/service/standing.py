"""A whole service on in-memory stores, and a client for it that needs no network."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.types import ASGIApp

from service import settings
from service.admin.testing import MemoryBoard
from service.alerts import testing as alerts
from service.app import Service
from service.collector import testing as collector
from service.errors import StoreUnavailable
from service.insights.testing import MemoryCache, MemoryStore, uuid7
from service.insights.testing_spool import MemorySpool
from service.metrics import Metrics
from service.ready import Dependency
from service.stores import Stores

KEYS = "\n".join(
    f"{scope} {hashlib.sha256(scope.encode()).hexdigest()}"
    for scope in ("ingest", "read", "admin", "metrics")
)


@dataclass
class Reads:
    """Rows that are answered to any query, by its name."""

    answers: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    away: bool = False

    async def rows(self, query: str, _: Mapping[str, object]) -> list[tuple[Any, ...]]:
        if self.away:
            raise StoreUnavailable("gone")
        return self.answers.get(query, [])


@dataclass
class Standing:
    """The service, its twins and a client."""

    service: Service
    client: httpx.AsyncClient
    store: MemoryStore
    reads: Reads
    cache: MemoryCache
    spool: MemorySpool

    async def post(self, content: bytes, kind: str = "application/json", **headers: str) -> httpx.Response:
        sent = {"authorization": "Bearer ingest", "content-type": kind} | headers
        return await self.client.post("/api/decisions", content=content, headers=sent)


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://service"
    )


ENVIRON = {
    "DATABASE_URL": "postgresql://none",
    "REDIS_URL": "redis://none",
    "QUEUE_URL": "redis://none",
    "API_KEYS": KEYS,
}


def stores(
    reads: Reads,
    store: MemoryStore | None = None,
    cache: MemoryCache | None = None,
    spool: MemorySpool | None = None,
) -> Stores:
    async def nothing() -> None:
        pass

    async def ask() -> None:
        await reads.rows("ping", {})

    database = Dependency("database", required=True, ask=ask)
    store = store or MemoryStore()
    return Stores(
        writes=store,
        aside=store,
        session=Reads({"last_retention": [(datetime.now(UTC),)]}),
        spool=spool or MemorySpool(),
        reads=reads,
        cache=cache or MemoryCache(),
        dependencies=[database],
        board=MemoryBoard(),
        snapshots=collector.MemoryBoard(),
        alerts=alerts.outside(),
        connections=lambda: (2, 1, 0),
        open=nothing,
        close=nothing,
    )


@asynccontextmanager
async def standing(**environ: str) -> AsyncIterator[Standing]:
    store, reads, cache, spool = MemoryStore(), Reads(), MemoryCache(), MemorySpool()
    service = Service(settings.load(ENVIRON | environ), Metrics("test"), stores(reads, store, cache, spool))
    await service.start()
    try:
        async with client_of(service.asgi) as client:
            yield Standing(service, client, store, reads, cache, spool)
    finally:
        await service.stop()


def v7() -> str:
    return uuid7(datetime.now(UTC))


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert {"type", "title", "status", "detail", "requestId"} <= set(body)
    assert body["status"] == status
    assert body["requestId"] == response.headers["x-request-id"]
    return body
