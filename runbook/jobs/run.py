"""One run of a job: the lock, the command within its limit, the record."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook.errors import AmasError
from runbook.jobs import child, lock, outbox
from runbook.jobs.child import Ended
from runbook.jobs.record import Outcome, Record, detail_of

Now = Callable[[], datetime]


@dataclass(frozen=True)
class Job:
    """What is to be run."""

    name: str
    limit_s: int
    command: Sequence[str]


def run(job: Job, now: Now = lambda: datetime.now(UTC)) -> Record:
    """The record, kept in a file and not yet written: that waits for the database, and holds no lock."""
    started_at = now()
    with lock.held(job.name) as is_ours:
        ended = _ended(job) if is_ours else None
    record = judged(job, ended, started_at, now())
    outbox.keep(record)
    return record


def judged(job: Job, ended: Ended | None, started_at: datetime, finished_at: datetime) -> Record:
    """None for a run that found another one at it. Pure but for its id."""
    outcome, exit_code, detail = Outcome.SKIPPED, None, {"reason": "the run before has not ended"}
    if ended is not None:
        outcome = outcome_of(ended)
        exit_code = ended.exit_code if ended.exit_code >= 0 else None
        detail = detail_of(ended.stdout, ended.last_words, outcome)
        if outcome is Outcome.TIMED_OUT:
            detail = {"reason": f"ended at its limit of {job.limit_s} s", **detail}
    return Record(
        str(uuid.uuid4()), job.name, started_at, max(started_at, finished_at), outcome, exit_code, detail
    )


def outcome_of(ended: Ended) -> Outcome:
    if ended.timed_out:
        return Outcome.TIMED_OUT
    return Outcome.OK if ended.exit_code == 0 else Outcome.FAILED


def _ended(job: Job) -> Ended:
    """A command that cannot be started has failed, and that is on record too."""
    try:
        return child.run(job.command, job.limit_s)
    except (AmasError, OSError) as reason:
        return Ended(127, timed_out=False, stdout=b"", last_words=str(reason))
