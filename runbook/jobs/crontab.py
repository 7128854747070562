"""A crontab of ours: which jobs it runs, when the next is due, after what time a success is missed. Pure.

The sole importer of cronsim.
"""

import itertools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from runbook.errors import UsageError

FIELDS = 5
RUN = ["amas", "job", "run"]
LIMIT = "--limit-s"
# How much later than by its schedule and its limit a success may come before it is late.
SLACK_SHARE = 0.1
LEAST_SLACK = timedelta(minutes=10)
# Enough turns of a schedule to meet its longest pause, a leap day's aside.
_TURNS = 100
# Any moment; the longest pause is the same from all of them.
_FROM = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scheduled:
    """One line of it."""

    job: str
    schedule: str
    limit_s: int
    command: tuple[str, ...] = ()

    @property
    def due_within(self) -> timedelta:
        """Between two successes of a job that runs as it should there is never more than this."""
        pause = longest_pause(self.schedule)
        return pause + timedelta(seconds=self.limit_s) + max(LEAST_SLACK, SLACK_SHARE * pause)


def jobs_of(text: str) -> list[Scheduled]:
    """The jobs in the order of the lines; what else a crontab runs is nobody's to miss. Raises UsageError."""
    return [_job(number, line) for number, line in enumerate(text.splitlines(), 1) if _runs_a_job(line)]


def next_run(schedule: str, now: datetime) -> datetime:
    return next(_turns(schedule, now))


def longest_pause(schedule: str) -> timedelta:
    turns = list(itertools.islice(_turns(schedule, _FROM), _TURNS))
    return max((after - before for before, after in itertools.pairwise(turns)), default=timedelta(days=366))


def _runs_a_job(line: str) -> bool:
    return not line.lstrip().startswith("#") and line.split()[FIELDS : FIELDS + 3] == RUN


def _job(number: int, line: str) -> Scheduled:
    words = shlex.split(line)
    schedule, command = " ".join(words[:FIELDS]), words[FIELDS:]
    longest_pause(schedule)
    options, _, rest = _split_at(command[3:], "--")
    if len(options) != 3 or options[1] != LIMIT or not options[2].isdigit() or not rest:
        raise UsageError(f"line {number}: wants NAME {LIMIT} SECONDS -- COMMAND, came as {line[:120]!r}")
    return Scheduled(options[0], schedule, int(options[2]), tuple(rest))


def _split_at(words: Sequence[str], mark: str) -> tuple[list[str], bool, list[str]]:
    if mark not in words:
        return list(words), False, []
    place = list(words).index(mark)
    return list(words[:place]), True, list(words[place + 1 :])


def _turns(schedule: str, after: datetime) -> Iterator[datetime]:
    try:
        return CronSim(schedule, after)
    except CronSimError as reason:
        raise UsageError(f"{schedule!r} is no time of a crontab: {reason}") from None
