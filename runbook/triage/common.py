"""Causes that more than one page has: a store that is away, a pool without connections, a busy replica."""

from runbook.triage.cause import Cause, When

DATABASE_AWAY = Cause(
    "database away",
    "The database does not answer. Traces go to the spool and are drained later.",
    (When("db.up", "<", 1),),
    ("amas status", "amas logs db --since 15m", "amas restart db"),
    beside=("spool.length", "spool.fill"),
)
READ_ONLY = Cause(
    "database takes no writes",
    "It is in recovery or read-only, so that nothing can be stored in it.",
    (When("sql.takes_no_writes", ">", 0),),
    ("amas logs db --since 15m", "amas backup status"),
)
DISK_FULL = Cause(
    "disk full",
    "The disk has no room left; the database cannot write its log.",
    (When("log.disk_full", ">", 0),),
    ("amas db size", "amas retention simulate", "docker system df"),
    beside=("disk.free_percent",),
)
DISK_NEARLY_FULL = Cause(
    "disk nearly full",
    "Less than a tenth of the disk is free: what grows next cannot be written.",
    (When("disk.free_percent", "<", 10),),
    ("amas db size", "amas retention simulate", "docker system df"),
)
POOL_EXHAUSTED = Cause(
    "connection pool exhausted",
    "Requests wait for a database connection and none comes free.",
    # Requests wait for a connection also while the database is away; then few are in use.
    (When("db.pool.waiting", ">", 0), When("db.pool.utilization", ">=", 90)),
    ("amas pool", "amas pool relieve", "amas up --config dbConnectionPoolSize={pool}"),
    beside=("sql.idle_in_transaction_s",),
)
SERVER_FULL = Cause(
    "no connection left in the database",
    "Nearly all sessions that the server allows are taken.",
    (When("sql.connections_percent", ">", 90),),
    ("amas pool relieve", "amas up --config dbMaxConnections={connections}"),
)
STATEMENT_TIMEOUT = Cause(
    "statement timeout",
    "The database ended statements that ran longer than it allows.",
    (When("log.statement_timeout", ">", 0),),
    ("amas db slow", "amas up --config dbStatementTimeout={timeout}"),
    beside=("sql.active_s",),
)
LOCKED = Cause(
    "sessions wait for locks",
    "A transaction holds what others wait for.",
    (When("sql.waiting_for_locks", ">", 0), When("sql.lock_wait_s", ">", 1)),
    ("amas pool", "amas pool relieve"),
    beside=("sql.idle_in_transaction_s",),
)
REPLICA_MISSING = Cause(
    "replica missing",
    "Fewer replicas live than should; the others carry its load.",
    (When("replicas.missing", ">", 0),),
    ("amas status", "amas logs api --level error --since 15m", "./scripts/up"),
    beside=("replicas.live",),
)
CACHE_AWAY = Cause(
    "cache away",
    "The cache does not answer, so every read goes to the database.",
    (When("cache.up", "<", 1),),
    ("amas logs cache --since 15m", "amas restart cache"),
)
BUSY_CPU = Cause(
    "replica short of CPU",
    "A replica has used more than 70 % of its core: requests queue for it.",
    (When("process.cpu", ">", 70),),
    ("amas overload", "amas up --config replicas={replicas}"),
    beside=("event_loop.lag_ms", "replicas.live"),
)
