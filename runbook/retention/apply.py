"""Takes away what a plan names, one chunk a step, by the database's own functions."""

from dataclasses import dataclass
from datetime import datetime

from runbook.errors import CheckFailed
from runbook.retention.plan import Plan
from runbook.sql_session import Statements
from runbook.terminal import Progress, size

PRUNE_ROWS = 5000
VACUUM = ("retention_vacuum_keys", "retention_vacuum_letters", "retention_analyze")


@dataclass(frozen=True)
class Applied:
    """What has gone."""

    chunks: int
    keys: int
    letters: int


def apply(session: Statements, wanted: Plan, progress: Progress) -> Applied:
    """A dropped chunk gives its disk back at once; only the tables pruned by rows want a vacuum."""
    with progress.step(f"drop {len(wanted.due)} chunks"):
        chunks = _drop(session, wanted, progress)
    with progress.step("prune keys and letters"):
        keys = _pruned(session, "retention_prune_keys", wanted.keys_before, progress)
        letters = _pruned(session, "retention_prune_letters", wanted.cutoff, progress)
    done = Applied(chunks, keys, letters)
    session.rows("retention_record", cutoff=wanted.cutoff, chunks=chunks, keys=keys, letters=letters)
    with progress.step("vacuum and analyze"):
        for name in VACUUM:
            session.rows(name)
    return done


def _drop(session: Statements, wanted: Plan, progress: Progress) -> int:
    dropped, left_bytes = 0, wanted.size_bytes
    for place, chunk in enumerate(wanted.due, start=1):
        gone = session.rows("retention_drop_chunks", before=chunk.end)
        if not gone:
            raise CheckFailed(
                f"the chunk of {chunk.start:%Y-%m-%d} was not dropped: the service drops the same ones now; "
                f"{dropped} have gone",
                "amas retention simulate",
            )
        dropped += len(gone)
        left_bytes -= chunk.size_bytes
        progress.say(f"{place} of {len(wanted.due)}: {chunk.start:%Y-%m-%d}; {size(left_bytes)} to go")
    return dropped


def _pruned(session: Statements, name: str, before: datetime, progress: Progress) -> int:
    pruned = 0
    while gone := int(session.rows(name, before=before, most=PRUNE_ROWS)[0]["gone"]):
        pruned += gone
        if gone == PRUNE_ROWS:
            progress.say(f"{pruned:,} rows so far")
        else:
            break
    return pruned
