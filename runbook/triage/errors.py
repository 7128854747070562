"""3.4: more than 1 % of the requests fail."""

from runbook.triage.cause import Cause, Topic, When
from runbook.triage.common import (
    CACHE_AWAY,
    DATABASE_AWAY,
    DISK_FULL,
    POOL_EXHAUSTED,
    READ_ONLY,
    REPLICA_MISSING,
    SERVER_FULL,
    STATEMENT_TIMEOUT,
)

ERRORS = Topic(
    "errors",
    "3.4",
    symptoms=(
        When("http.error_rate.5xx", ">", 1),
        When("decision.refused", ">", 0),
        When("log.unforeseen", ">", 0),
    ),
    causes=(
        DATABASE_AWAY,
        DISK_FULL,
        READ_ONLY,
        POOL_EXHAUSTED,
        SERVER_FULL,
        Cause(
            "unhandled exceptions",
            "The service failed in a way nobody foresaw; the log has the request and the exception.",
            (When("log.unforeseen", ">", 0),),
            ("amas logs api --level error --since 15m", "amas support-bundle"),
        ),
        Cause(
            "decisions refused",
            "Neither database nor spool takes them: they are answered 503 with Retry-After.",
            (When("decision.refused", ">", 0),),
            ("amas triage writes",),
            beside=("spool.fill", "spool.up", "queue.size", "switch.disable-insight-writes"),
        ),
        CACHE_AWAY,
        STATEMENT_TIMEOUT,
        Cause(
            "partitioning",
            "The database failed on a chunk of a hypertable.",
            (When("log.chunk_failed", ">", 0),),
            ("amas logs db --level error --since 15m", "amas retention simulate"),
        ),
        Cause(
            "parts unhealthy",
            "A container of the stack is not healthy or has ended.",
            (When("containers.unhealthy", ">", 0),),
            ("amas status", "./scripts/up"),
        ),
        REPLICA_MISSING,
    ),
)
