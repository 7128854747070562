"""3.1: high decision latency."""

from runbook.triage.cause import Cause, Topic, When
from runbook.triage.common import (
    BUSY_CPU,
    CACHE_AWAY,
    DATABASE_AWAY,
    DISK_NEARLY_FULL,
    LOCKED,
    POOL_EXHAUSTED,
    REPLICA_MISSING,
    SERVER_FULL,
)

LATENCY = Topic(
    "latency",
    "3.1",
    symptoms=(
        When("decision.latency.p99", ">", 500),
        When("http.latency.p99", ">", 600),
        When("http.latency.p95", ">", 250),
    ),
    causes=(
        DATABASE_AWAY,
        POOL_EXHAUSTED,
        LOCKED,
        Cause(
            "slow statements",
            "A statement has run for more than a second: it holds its connection that long.",
            (When("sql.active_s", ">", 1),),
            ("amas db slow", "amas pool"),
            beside=("log.slow_statements",),
        ),
        Cause(
            "disk slow at commits",
            "Sessions wait for the write-ahead log to reach the disk, or its receiver.",
            (When("sql.waiting_for_wal", ">", 1),),
            ("amas db size", "amas backup status", "amas up --config walDurability=async"),
            beside=("queue.size", "queue.age_s"),
        ),
        Cause(
            "writer behind",
            "More decisions come in than are committed.",
            (When("queue.size", ">", 500),),
            ("amas db slow", "amas up --config replicas={replicas}"),
            beside=("queue.age_s", "decision.latency.p99"),
        ),
        BUSY_CPU,
        Cause(
            "event loop held up",
            "Something blocks a replica's event loop, so that all its requests wait.",
            (When("event_loop.lag_ms", ">", 250),),
            ("amas overload", "amas logs api --level warning --since 15m"),
            beside=("process.cpu",),
        ),
        CACHE_AWAY,
        Cause(
            "cache misses",
            "Fewer than 60 % of the insights come from the cache; the database answers the rest.",
            (When("cache.hit_rate", "<", 60), When("cache.reads", ">=", 100)),
            ("amas cache cli -- INFO stats", "amas up --config cacheTtlAmasState=600"),
        ),
        Cause(
            "pool nearly full",
            "More than 90 % of a replica's connections are in use; the next burst waits.",
            (When("db.pool.utilization", ">", 90),),
            ("amas pool", "amas up --config dbConnectionPoolSize={pool}"),
        ),
        SERVER_FULL,
        REPLICA_MISSING,
        DISK_NEARLY_FULL,
    ),
)
