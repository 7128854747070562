"""Series of what ran outside of the service and was recorded: scheduled jobs, load tests. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from service.jobs import Job, outcomes
from service.load_runs import LABELS, SERIES, LoadRun


class Family(NamedTuple):
    """A gauge with its values, each by those of its labels."""

    name: str
    text: str
    labels: Sequence[str]
    values: Mapping[tuple[str, ...], float]


def of_jobs(standing: Sequence[Job], late_s: Mapping[str, float]) -> Iterator[Family]:
    """Of every job that is known at the moment; the schedule names them, so there are few."""
    successes = {one.name: one.last_success.finished_at.timestamp() for one in standing if one.last_success}
    yield _by_job("amas_job_last_success_timestamp_seconds", "When it last ended well.", successes)
    yield _by_job("amas_job_last_outcome", "1 where the last run ended well, else 0.", outcomes(standing))
    yield _by_job("amas_job_late_seconds", "Since a success was due, 0 while none is.", late_s)


def of_load_runs(newest: Sequence[LoadRun]) -> Iterator[Family]:
    """A handful, see load_runs.MOST."""
    for name, (text, value_of) in SERIES.items():
        found = {(run.test, run.profile, run.release): value_of(run) for run in newest}
        yield Family(name, text, LABELS, {key: value for key, value in found.items() if value is not None})


def _by_job(name: str, text: str, values: Mapping[str, float]) -> Family:
    return Family(name, text, ["job"], {(job,): value for job, value in values.items()})
