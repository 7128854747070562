"""3.3: decision insights are not written."""

from runbook.triage.cause import Cause, Topic, When
from runbook.triage.common import (
    DATABASE_AWAY,
    DISK_FULL,
    DISK_NEARLY_FULL,
    LOCKED,
    POOL_EXHAUSTED,
    READ_ONLY,
    SERVER_FULL,
    STATEMENT_TIMEOUT,
)

REPLAY = 'curl -X POST -H "Authorization: Bearer $(amas keys show admin)" {url}/api/dead-letters/replay'

WRITES = Topic(
    "writes",
    "3.3",
    symptoms=(
        When("log.write_failed", ">", 0),
        When("decision.refused", ">", 0),
        When("spool.length", ">", 0),
        When("dead_letters.count", ">", 0),
        When("queue.age_s", ">", 5),
    ),
    causes=(
        Cause(
            "writes switched off",
            "The emergency switch is on: every trace is counted and refused.",
            (When("switch.disable-insight-writes", ">", 0),),
            ("amas switch set disable-insight-writes off --reason 'writes are wanted again'",),
            beside=("decision.refused",),
        ),
        DATABASE_AWAY,
        DISK_FULL,
        READ_ONLY,
        Cause(
            "spool nearly full",
            "Once it is full, traces are refused; senders that give up lose them.",
            (When("spool.fill", ">", 70),),
            ("amas status", "amas logs db --since 15m", "amas logs queue --since 15m"),
            beside=("spool.length", "spool.age_s"),
        ),
        Cause(
            "spool away",
            "The queue's Redis does not answer: nothing catches traces if the database fails.",
            (When("spool.up", "<", 1),),
            ("amas logs queue --since 15m", "amas restart queue"),
        ),
        STATEMENT_TIMEOUT,
        LOCKED,
        POOL_EXHAUSTED,
        SERVER_FULL,
        Cause(
            "writer behind",
            "A decision has waited longer than 5 seconds for its commit.",
            (When("queue.age_s", ">", 5),),
            ("amas db slow", "amas logs api --level warning --since 15m"),
            beside=("queue.size", "sql.waiting_for_wal"),
        ),
        Cause(
            "spool not drained",
            "Traces lie in the spool although the database answers.",
            (When("spool.age_s", ">", 60), When("db.up", ">=", 1)),
            ("amas logs api --level warning --since 15m", "amas restart api"),
            beside=("spool.length",),
        ),
        Cause(
            "traces the database refuses",
            "They are kept apart with the reason; mend the cause and replay them.",
            (When("dead_letters.count", ">", 0),),
            ("curl {url}/api/dead-letters", REPLAY),
            beside=("dead_letters.age_s", "log.write_failed"),
        ),
        Cause(
            "one id for different traces",
            "A sender uses a decisionId again with other content; the first content stays.",
            (When("decision.conflicts", ">", 0),),
            ("amas logs api --level warning --since 15m",),
            beside=("log.duplicate_key",),
        ),
        Cause(
            "duplicate keys",
            "The database turned down rows that it has already.",
            (When("log.duplicate_key", ">", 0),),
            ("amas logs db --level error --since 15m",),
            beside=("decision.conflicts",),
        ),
        DISK_NEARLY_FULL,
    ),
)
