"""Crontabs as supercronic reads them: every job has a lock, a time limit and a record of each run."""

from collections.abc import Sequence
from dataclasses import dataclass

# So that a database that was away at the start, or was put back to an earlier day, learns of the jobs too.
_DECLARED = "7 * * * *"


@dataclass(frozen=True)
class Job:
    """`schedule` is five fields, in UTC; the command is one of ours, without `amas`."""

    name: str
    schedule: str
    limit_s: int
    command: str

    def line(self) -> str:
        return f"{self.schedule} amas job run {self.name} --limit-s {self.limit_s} -- amas {self.command}"


def crontab(jobs: Sequence[Job], runner: str, path: str, also: Sequence[str] = ()) -> str:
    """The whole file, which will lie at `path`; `also`: lines that are no job, and leave no record."""
    lines = [
        "# Rendered from the stack's configuration.",
        *(job.line() for job in jobs),
        *also,
        f"{_DECLARED} amas job declare {path} --runner {runner}",
    ]
    return "".join(f"{line}\n" for line in lines)
