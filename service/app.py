"""Wires the parts together; nothing but __main__ imports this."""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service import http, keys
from service.alerts import routes as alerts
from service.cache import RedisCache
from service.collector.middleware import Collector
from service.db import Pool, Session
from service.errors import Problem, StoreUnavailable
from service.insights.ingest import Ingest
from service.insights.insight import Cache, Database, Insights
from service.insights.intake import Intake
from service.insights.queue import WriteQueue
from service.insights.reads import Reads
from service.insights.store import DatabaseStore, Store
from service.insights.writer import Timing, Writer, WriterFailed
from service.metrics import Metrics
from service.ready import Dependency, Readiness
from service.settings import Settings

# Longer than a database takes to come up beside this replica, shorter than a health check's patience.
OPEN_WITHIN_S = 60.0
# The writer's own retries end before this does.
DRAIN_QUEUE_S = 10.0

OPENAPI = Path(__file__).with_name("openapi.json")

logger = logging.getLogger("Service")


@dataclass(frozen=True)
class Stores:
    """What lies outside the process; the tests bring twins.

    A dependency that is required here is so until the stores are open, and not later: every replica
    loses the database at the same moment, and one that is sent no traffic serves nothing at all, while
    one that is answers from the cache, tells its metrics and refuses writes with a reason.
    """

    writes: Store
    reads: Database
    cache: Cache
    dependencies: list[Dependency]
    open: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


class Service:
    """One replica: the ASGI app and what runs beside it."""

    def __init__(self, settings: Settings, metrics: Metrics, stores: Stores) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stores = stores
        self._keys = keys.parse(settings.api_keys)
        self.queue = WriteQueue(settings.write_queue_rows, time.monotonic)
        timing = Timing(time.monotonic, random.random)
        self.writer = Writer(self.queue, stores.writes, metrics, timing, settings.write_batch_rows)
        self._writing = Dependency("writer", required=False, ask=self._ask_writer)
        self.readiness = Readiness([*stores.dependencies, self._writing], time.monotonic)
        metrics.watch_queue(lambda: self.queue.rows)
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self.asgi = self._app()

    async def start(self) -> None:
        """Returns when the stores are open, or when told to drain before; then nothing runs."""
        self._loop = asyncio.get_running_loop()
        if self.readiness.draining:
            self._stopping.set()
        if not self._keys.known:
            logger.warning("API_KEYS holds no key: every route that needs one refuses")
        if not await self._opened():
            return
        for outside in self._stores.dependencies:
            outside.required = False
        self._tasks = [
            asyncio.create_task(self.writer.run()),
            asyncio.create_task(self._metrics.watch_loop()),
        ]

    async def _opened(self) -> bool:
        """False when the end was asked for first: a database that is away would hold it up for long."""
        opening = asyncio.ensure_future(self._stores.open())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
                return True
            return False
        finally:
            for task in (opening, stopping):
                task.cancel()
            await asyncio.gather(opening, stopping, return_exceptions=True)

    async def stop(self) -> None:
        """Write what was taken, then let go of the stores."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_QUEUE_S):
                await self.queue.emptied()
        left = self.queue.rows
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stores.close()
        logger.info("stopped", extra={"unanswered": left})

    def drain(self) -> None:
        """From now on not ready, and still serving. May be called by a signal's handler."""
        self.readiness.draining = True
        if self._loop is not None:
            # Setting it here would not wake a loop that waits for the network.
            self._loop.call_soon_threadsafe(self._stopping.set)

    def finish_within(self, seconds: float) -> None:
        """What the store has not answered by then is answered with 503."""
        asyncio.get_running_loop().call_later(seconds, self.writer.call_off)

    async def _ask_writer(self) -> None:
        if self.writer.failed:
            self._writing.required = True
            raise WriterFailed
        if self.writer.away:
            raise StoreUnavailable("the writer waits for the database")

    def _app(self) -> ASGIApp:
        intake = Intake(
            self.queue, self._metrics, _now, timedelta(days=self._settings.insights_retention_days)
        )
        ingest = Ingest(
            intake, lambda key: self._keys.demand("ingest", key), self._settings.disable_insight_writes
        )
        app: ASGIApp = http.Edge(_first(ingest, self._starlette()))
        if not self._settings.disable_metrics_collection:
            app = Collector(app, self._metrics.requests)
        return app

    @property
    def routes(self) -> list[Route]:
        """All but the hot one."""
        insights = Insights(
            self._stores.reads,
            self._stores.cache,
            self._metrics.cache_hits,
            self._metrics.cache_misses,
            self._settings.cache_ttl_amas_state,
        )
        reads = Reads(insights, self._stores.reads, _now, self._demand_if_open("read"), self._demand("admin"))
        return [
            Route("/health", _health),
            Route("/ready", self._ready),
            Route("/openapi.json", _openapi),
            Route("/api/about/metrics/prometheus", self._prometheus),
            *reads.routes(),
            *alerts.routes(self._demand_if_open("read")),
        ]

    def _starlette(self) -> Starlette:
        answered = (Problem, HTTPException, StoreUnavailable, Exception)
        return Starlette(
            routes=self.routes,
            exception_handlers=dict.fromkeys(answered, http.problem_response),
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    def _demand(self, scope: keys.Scope) -> Callable[[Request], None]:
        return lambda request: self._keys.demand(scope, request.headers.get("authorization"))

    def _demand_if_open(self, scope: keys.Scope) -> Callable[[Request], None]:
        """Reads and metrics are open unless told otherwise."""
        return self._demand(scope) if self._settings.reads_need_key else lambda _: None

    async def _ready(self, _: Request) -> Response:
        ready, report = await self.readiness.report()
        return http.json_response(report, 200 if ready else 503)

    async def _prometheus(self, request: Request) -> Response:
        self._demand_if_open("metrics")(request)
        # In a thread: it would hold up every other request for some milliseconds.
        body, kind = await asyncio.to_thread(self._metrics.render, request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={"Content-Type": kind, "Cache-Control": "no-store"})


def create(settings: Settings) -> Service:
    """The service on its real stores, not yet opened."""
    metrics = Metrics(_version())
    # One connection writes, one tells whether the database lives: neither waits behind the reads.
    reads = Pool(settings.database_url, settings.db_connection_pool_size - 2, settings.db_statement_timeout)
    writer = Session(settings.database_url, settings.db_statement_timeout)
    watch = Session(settings.database_url, settings.db_statement_timeout)
    cache = RedisCache(settings.redis_url, metrics.cache_errors, time.monotonic)
    metrics.watch_pool(reads.sizes)

    async def ask_database() -> None:
        await watch.rows("ping", {})

    async def open_stores() -> None:
        await reads.open(OPEN_WITHIN_S)

    async def close_stores() -> None:
        await asyncio.gather(reads.close(), writer.close(), watch.close(), cache.close())

    stores = Stores(
        writes=DatabaseStore(writer),
        reads=reads,
        cache=cache,
        dependencies=[
            Dependency("database", required=True, ask=ask_database),
            Dependency("cache", required=False, ask=cache.ping),
        ],
        open=open_stores,
        close=close_stores,
    )
    return Service(settings, metrics, stores)


def _first(hot: ASGIApp, others: ASGIApp) -> ASGIApp:
    """The hot route goes past the framework's router."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/api/decisions":
            await hot(scope, receive, send)
        else:
            await others(scope, receive, send)

    return app


async def _health(_: Request) -> Response:
    stamp = _now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return http.json_response({"status": "ok", "timestamp": stamp})


async def _openapi(_: Request) -> Response:
    return http.json_response(OPENAPI.read_bytes())


def _now() -> datetime:
    return datetime.now(UTC)


def _version() -> str:
    try:
        return version("amas")
    except PackageNotFoundError:
        return str(json.loads(OPENAPI.read_bytes())["info"]["version"])
