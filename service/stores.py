"""What lies outside the process: the database, the cache and the queue's Redis, and how they are reached."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service import redisdb
from service.admin import switches
from service.alerts import alerting
from service.cache import RedisCache
from service.collector import share
from service.db import Pool, Session
from service.insights.insight import Cache, Database
from service.insights.retention import Session as RetentionSession
from service.insights.spool import RedisSpool, Spool
from service.insights.store import DatabaseStore, Store
from service.metrics import Metrics
from service.ready import Dependency
from service.settings import Settings

# Longer than a database takes to come up beside this replica, shorter than a health check's patience.
OPEN_WITHIN_S = 60.0
# An fsync of the spool takes a few milliseconds; a drain that ends still has to answer after it.
SPOOL_TIMEOUT_S = 3.0
# Longer than an honest answer of the queue Redis takes, shorter than anybody wants to wait for a switch.
BOARD_TIMEOUT_S = 0.5
# The alerts go on without a database that takes longer for one of their statements.
ALERTS_TIMEOUT_MS = 1000


@dataclass(frozen=True)
class Stores:
    """What a service stands on; the tests bring twins.

    A dependency that is required here is so until the stores are open, and not later: every replica
    loses the database at the same moment, and one that is sent no traffic serves nothing at all, while
    one that is answers from the cache, tells its metrics and refuses writes with a reason.
    """

    writes: Store
    # The drain of the spool, replays and the retention share one connection beside the writer's.
    aside: Store
    session: RetentionSession
    spool: Spool
    reads: Database
    cache: Cache
    dependencies: list[Dependency]
    board: switches.Board
    snapshots: share.Board
    alerts: alerting.Outside
    # Open, free, and requests that wait for one.
    connections: Callable[[], tuple[int, int, int]]
    open: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


def real_stores(settings: Settings, replica: str, metrics: Metrics) -> Stores:
    """Not yet opened; `open` waits for the database, all else connects when it is first used."""
    reads, sessions = _database(settings)
    cache = RedisCache(settings.redis_url, metrics.cache_errors, time.monotonic)
    spool = RedisSpool(
        redisdb.connect(settings.queue_url, timeout_s=SPOOL_TIMEOUT_S, most_connections=32), replica
    )
    board, shared, alerts, lease, alerts_reads = (
        redisdb.connect(settings.queue_url, timeout_s=BOARD_TIMEOUT_S, most_connections=most)
        for most in (2, 4, 4, 2, 4)
    )
    metrics.watch_pool(reads.sizes)

    async def ask_database() -> None:
        await sessions.watch.rows("ping", {})

    async def open_stores() -> None:
        await reads.open(OPEN_WITHIN_S)

    async def close_stores() -> None:
        closed = (reads, sessions.writer, sessions.aside, sessions.watch, cache, spool)
        await asyncio.gather(*(one.close() for one in closed), *(one.aclose() for one in (board, shared)))

    return Stores(
        writes=DatabaseStore(sessions.writer),
        aside=DatabaseStore(sessions.aside),
        session=sessions.aside,
        spool=spool,
        reads=reads,
        cache=cache,
        dependencies=[
            Dependency("database", required=True, ask=ask_database),
            Dependency("cache", required=False, ask=cache.ping),
        ],
        board=switches.RedisBoard(board),
        snapshots=share.RedisBoard(shared, settings.metrics_collection_interval / 1000),
        alerts=alerting.real(
            settings,
            replica,
            alerting.Connections(sessions.alerts, sessions.lock, reads, alerts, lease, alerts_reads),
        ),
        connections=reads.sizes,
        open=open_stores,
        close=close_stores,
    )


@dataclass(frozen=True)
class Sessions:
    """A connection each, so that none of these waits behind the reads or behind another."""

    writer: Session
    # What is drained, replayed or dropped.
    aside: Session
    # Tells whether the database lives.
    watch: Session
    alerts: Session
    # Makes a leader while the queue's Redis is away.
    lock: Session


def for_reads(pool_size: int) -> int:
    """What the sessions leave of all connections that a replica may open."""
    return pool_size - len(Sessions.__dataclass_fields__)


def _database(settings: Settings) -> tuple[Pool, Sessions]:
    """All connections to the database that this process ever opens: DB_CONNECTION_POOL_SIZE of them."""
    url, timeout_ms = settings.database_url, settings.db_statement_timeout
    alerts_ms = min(timeout_ms, ALERTS_TIMEOUT_MS)
    sessions = Sessions(
        writer=Session(url, timeout_ms),
        aside=Session(url, timeout_ms, "amas-aside"),
        watch=Session(url, timeout_ms),
        alerts=Session(url, alerts_ms),
        lock=Session(url, alerts_ms),
    )
    return Pool(url, for_reads(settings.db_connection_pool_size), timeout_ms), sessions
