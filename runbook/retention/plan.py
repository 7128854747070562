"""Which chunks may go and when the others will. Pure; the service plans its own daily run alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# The service is late after two days without a run to the end: its rule says so.
LATE_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class Chunk:
    """A day of decisions; the end is the first moment after it."""

    start: datetime
    end: datetime
    size_bytes: int
    about_rows: int

    def goes_at(self, days: int) -> datetime:
        """The first moment at which all of it is old enough."""
        return self.end + timedelta(days=days)


@dataclass(frozen=True)
class Plan:
    """What to do now. A key outlives the chunk of its row: else its id could be stored a second time."""

    days: int
    cutoff: datetime
    due: list[Chunk]
    later: list[Chunk]
    keys_before: datetime
    oldest_age: timedelta

    @property
    def drop_before(self) -> datetime | None:
        """The end of the youngest chunk that goes; rows before it are the ones that go."""
        return self.due[-1].end if self.due else None

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.due)


def plan(now: datetime, chunks: Sequence[Chunk], days: int) -> Plan:
    cutoff = now - timedelta(days=days)
    ordered = sorted(chunks, key=lambda one: one.end)
    due = [one for one in ordered if one.end <= cutoff]
    later = [one for one in ordered if one.end > cutoff]
    kept = min((one.start for one in later), default=cutoff)
    oldest = ordered[0].end if ordered else now
    return Plan(days, cutoff, due, later, min(cutoff, kept), max(timedelta(), now - oldest))


def is_late(now: datetime, last_success: datetime | None, plan: Plan) -> bool:
    """Something is due, and nobody has taken it away for two days."""
    return bool(plan.due) and (last_success is None or now - last_success > LATE_AFTER)
