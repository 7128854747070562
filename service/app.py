"""Wires the parts together; nothing but __main__ imports this."""

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service import http, keys, tasks
from service.admin import switches
from service.admin.audit import Audited, Trail
from service.admin.routes import Admin, shown
from service.alerts import alerting
from service.alerts.alerting import Alerting
from service.collector import share
from service.collector.keep import Keep
from service.collector.loop import Clock, Collecting, Plan, Readings, Sources
from service.collector.middleware import Collector
from service.collector.probes import Probe, Probes
from service.collector.process import memory_limit_bytes, rss_bytes
from service.collector.routes import About, Others
from service.collector.snapshot import Gauges, Measured
from service.collector.traffic import Meter
from service.console import routes as console
from service.errors import Problem, StoreUnavailable
from service.insights.ingest import Ingest
from service.insights.recording import Cluster, Outside, Recording
from service.insights.writer import WriterFailed
from service.jobs import Jobs
from service.load_runs import LoadRuns
from service.metrics import Metrics
from service.ready import Dependency, Readiness
from service.settings import Settings
from service.stores import Stores, for_reads, real_stores
from service.wal import Wal

# The writer's own retries end before this does.
DRAIN_QUEUE_S = 10.0
# For the audit entries of the last moments.
AUDIT_WITHIN_S = 2.0

# New containers until the interpreter looks for cycles, of which traces make none: by default it would look
# at those that wait again and again, for a tenth of the time that a batch takes.
GC_AFTER = 10_000

OPENAPI = Path(__file__).with_name("openapi.json")

logger = logging.getLogger("Service")


class Service:
    """One replica: the ASGI app and what runs beside it."""

    def __init__(
        self, settings: Settings, metrics: Metrics, stores: Stores, replica: str | None = None
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stores = stores
        self._keys = keys.parse(settings.api_keys, metrics.key_refused)
        self.switches = switches.Switches(stores.board, _configured(settings))
        self.trail = Trail(stores.reads, metrics.audit_lost)
        self.jobs = Jobs(stores.reads, _now, self._demand_if_open("read"))
        self.load_runs = LoadRuns(stores.reads)
        self.recording = self._recording()
        self.queue, self.writer = self.recording.queue, self.recording.writer
        self._writing = Dependency("writer", required=False, ask=self._ask_writer)
        self.readiness = Readiness([*stores.dependencies, self._writing], time.monotonic)
        metrics.watch_queue(lambda: self.queue.rows)
        metrics.watch_switches(self.switches.is_on)
        metrics.watch_jobs(lambda: self.jobs.standing, self.jobs.late_s)
        metrics.watch_load_runs(lambda: self.load_runs.newest)
        self.replica = replica or share.replica_id()
        self.meter = Meter()
        self.collecting = self._collecting()
        self.alerting = self._alerting()
        self._tasks: list[asyncio.Task[None]] = []
        self._task_ended = False
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
        # Before the first request: what was switched off stays so over a restart.
        await self.switches.refresh()
        self._tasks = [
            *map(asyncio.create_task, self.recording.running()),
            asyncio.create_task(self._metrics.watch_loop(self.collecting.noticed)),
            asyncio.create_task(self.collecting.run()),
            asyncio.create_task(self.switches.follow()),
            asyncio.create_task(self.trail.keep()),
            asyncio.create_task(self.jobs.follow()),
            asyncio.create_task(self.load_runs.follow()),
        ]
        for task in (*self._tasks, *self.alerting.start()):
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """None ends while the replica goes on, but by a fault: then it makes room for one that is whole."""
        if task.cancelled() or self._stopping.is_set():
            return
        coroutine = getattr(task.get_coro(), "__qualname__", task.get_name())
        logger.critical(
            "a task ended; no new requests are wanted", extra={"task": coroutine}, exc_info=task.exception()
        )
        self._metrics.tasks_ended.inc()
        self._task_ended = True
        self.drain()

    @property
    def failed(self) -> bool:
        """Part of it is gone for good: what was taken is still answered, and the process has to end then."""
        return self._task_ended or self.writer.failed

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
        self._stopping.set()
        left = await self.recording.finish(DRAIN_QUEUE_S)
        await tasks.end(self._tasks)
        await self.collecting.finish()
        await self.alerting.stop()
        await self.trail.finish(AUDIT_WITHIN_S)
        await self._stores.close()
        logger.info("stopped", extra={"unanswered": left})

    def drain(self) -> None:
        """From now on not ready, and still serving. May be called by a signal's handler."""
        self.readiness.draining = True
        if self._loop is not None:
            # Setting it here would not wake a loop that waits for the network.
            self._loop.call_soon_threadsafe(self._stopping.set)

    def cut(self, phase: str) -> None:
        """A client was too slow; the server has closed on it."""
        self._metrics.cut(phase)

    def finish_within(self, seconds: float) -> None:
        """What the store has not answered by then goes to the spool, and is answered 503 if that is away."""
        asyncio.get_running_loop().call_later(seconds, self.writer.call_off)

    async def _ask_writer(self) -> None:
        if self.writer.failed:
            self._writing.required = True
            raise WriterFailed
        if self.writer.away:
            raise StoreUnavailable("the writer waits for the database")

    def _app(self) -> ASGIApp:
        ingest = Ingest(self.recording.intake, partial(self._keys.demand, "ingest"))
        audited = Audited(self._starlette(), self.trail.note, _now)
        app: ASGIApp = http.Edge(_first(ingest, audited))
        if not self._settings.disable_metrics_collection:
            app = Collector(app, self._metrics.requests, self.meter)
        return app

    def _recording(self) -> Recording:
        stores = self._stores
        outside = Outside(
            stores.writes, stores.aside, stores.session, stores.reads, stores.cache, stores.spool
        )
        cluster = Cluster(lambda: self.switches.is_on(switches.INSIGHT_WRITES), self.is_leader, _now)
        return Recording(self._settings, self._metrics, outside, cluster)

    def _collecting(self) -> Collecting:
        interval_s = self._settings.metrics_collection_interval / 1000
        clock = Clock()
        readings = Readings(
            self._metrics.counters, self._gauges, lambda: self.switches.is_on(switches.METRICS_COLLECTION)
        )
        return Collecting(
            Plan(interval_s, self._settings.replicas_expected),
            Sources(self.meter, readings, Probes(self._probes())),
            share.Shared(self._stores.snapshots, self.replica, interval_s, clock.now),
            Keep(self._stores.reads, self.is_leader, interval_s),
            self._metrics,
            clock,
        )

    def _alerting(self) -> Alerting:
        asked = alerting.Asked(
            self.collecting.values,
            lambda: len(self.collecting.shared.live()) if self.collecting.shared.shared else None,
            lambda: self.switches.is_on(switches.NOTIFICATIONS),
        )
        series = self._metrics.alerts
        made = Alerting(self._settings, self.replica, self._stores.alerts, asked, series)
        series.watch(made.oldest_s)
        return made

    def is_leader(self) -> bool:
        """One replica at a time does what is done once for all."""
        return self.alerting.is_leader()

    def _gauges(self) -> Gauges:
        connections = self._stores.connections()
        return Gauges(
            queue_rows=self.queue.rows,
            queue_age_s=self.queue.age_s,
            pool_open=connections[0],
            pool_free=connections[1],
            pool_awaited=connections[2],
            pool_most=for_reads(self._settings.db_connection_pool_size),
            rss_bytes=rss_bytes(),
            memory_limit_bytes=memory_limit_bytes(),
            draining=self.readiness.draining,
        )

    def _probes(self) -> list[Probe]:
        return [
            Probe("stores", self._outside),
            Probe("spool", self.recording.facts.of_spool, {"spool.up": (0.0, 1)}),
            Probe("insights", self.recording.facts.of_database),
            Probe("wal", self._wal().facts),
            Probe("jobs", self.jobs.facts),
        ]

    def _wal(self) -> Wal:
        wanted = self._settings.wal_durability == "sync"
        return Wal(self._stores.reads, self._metrics, wanted, _now)

    async def _outside(self) -> dict[str, Measured]:
        """1 for each store that answers, 0 for each that does not; asked once a second at most."""
        await self.readiness.report()
        names = {"database": "db.up", "cache": "cache.up"}
        return {
            names[one.name]: (float(one.reason is None), 1)
            for one in self.readiness.dependencies
            if one.name in names
        }

    @property
    def routes(self) -> list[Route]:
        """All but the hot one."""
        admin = Admin(
            self.switches, self._stores.reads, _now, self._demand_if_open("read"), self._demand("admin")
        )
        about = About(
            self.collecting,
            Others(
                self.alerting.leader,
                self.alerting.status,
                lambda: shown(self.switches),
                self.alerting.measured,
                backup=self.jobs.backup,
                environment=self._settings.environment,
            ),
            self._demand_if_open("read"),
            self._settings.cache_ttl_amas_metrics,
        )
        return [
            Route("/health", _health),
            Route("/ready", self._ready),
            Route("/openapi.json", _openapi),
            Route("/api/about/metrics/prometheus", self._prometheus),
            *self.recording.routes(self._demand_if_open("read"), self._demand("admin")),
            *self.alerting.routes(self._demand_if_open("read"), self._demand("admin")),
            *admin.routes(),
            *about.routes(),
            *self.jobs.routes(),
            *console.routes(),
        ]

    def _starlette(self) -> Starlette:
        answered = (Problem, HTTPException, StoreUnavailable, Exception)
        app = Starlette(
            routes=self.routes,
            exception_handlers=dict.fromkeys(answered, http.problem_response),
            lifespan=self._lifespan,
        )
        # A path has one spelling; a redirect would be built from the Host header that came.
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.start()
        # What stands now stays: to look at all of it again would stop everything for tens of milliseconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_AFTER)
        try:
            yield
        finally:
            await self.stop()

    def _demand(self, scope: keys.Scope) -> Callable[[Request], None]:
        """Leaves whose admin key it was to the audit log."""

        def demand(request: Request) -> None:
            who = self._keys.demand(scope, http.authorization(request.scope))
            if scope == "admin":
                request.scope[http.ADMIN] = who

        return demand

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
    replica = share.replica_id()
    metrics = Metrics(_version())
    return Service(settings, metrics, real_stores(settings, replica, metrics), replica)


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


def _configured(settings: Settings) -> list[str]:
    """The switches that the environment holds on."""
    held = {
        switches.INSIGHT_WRITES: settings.disable_insight_writes,
        switches.METRICS_COLLECTION: settings.disable_metrics_collection,
    }
    return [name for name, on in held.items() if on]


def _now() -> datetime:
    return datetime.now(UTC)


def _version() -> str:
    try:
        return version("amas")
    except PackageNotFoundError:
        return str(json.loads(OPENAPI.read_bytes())["info"]["version"])
