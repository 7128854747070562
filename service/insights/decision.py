"""The values that travel: a parsed decision, a refusal, and what became of a decision."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

# Ids that could be stored but not read: /api/insights has a route of that name, and clients and load
# balancers take dots for a step in the path.
RESERVED_IDS = frozenset({"rate", ".", ".."})
ID_ALLOWED = "a UUIDv7 or 1 to 128 characters of [A-Za-z0-9._:-]"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Both cases written out: to ignore case costs twice as much.
_X = "[0-9a-fA-F]"
_V7 = re.compile(rf"{_X}{{8}}-{_X}{{4}}-7{_X}{{3}}-[89abAB]{_X}{{3}}-{_X}{{12}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Decision(msgspec.Struct, frozen=True):
    """One row to be; the field names are the columns that `write_batch` in the SQL reads.

    The JSON parts stay the bytes that came, so no digit of a number is lost on the way.
    """

    decision_id: str
    created_at: datetime
    occurred_at: datetime
    # True when the id carries no time and has to be claimed in `decision_keys`.
    keyed: bool
    user_id: str
    action: str
    duration_ms: float
    state_snapshot: msgspec.Raw
    difficulty_factors: msgspec.Raw
    triggers: msgspec.Raw
    extra: msgspec.Raw
    # SHA-256 in hex of the meaning of the trace: member order and spelling of numbers do not count.
    content_hash: str
    run_id: str | None = None

    @property
    def identity(self) -> tuple[str, str | None]:
        """Two posts of one id are the same when this is: a run's row may be purged, another's may not."""
        return self.content_hash, self.run_id


class Refusal(msgspec.Struct, frozen=True):
    """Why a trace is not taken: the field, what is allowed, and what came (shortened)."""

    field: str | None
    reason: str
    value: str | None = None
    status: int = 400

    def sentence(self) -> str:
        subject = f"{self.field} " if self.field else ""
        came = f"; it came as {self.value}" if self.value is not None else ""
        return f"{subject}{self.reason}{came}"


class Outcome(StrEnum):
    """What became of a decision; only the first three are ever acknowledged with 2xx."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    # Durable in the spool; a drain brings it into the database.
    SPOOLED = "spooled"
    CONFLICT = "conflict"
    # The database refused the content; it lies in the dead letters.
    POISON = "poison"
    # Not confirmed. The sender has to try again.
    UNAVAILABLE = "unavailable"


class Receipt(msgspec.Struct, frozen=True):
    """An outcome with its reason where there is one."""

    outcome: Outcome
    reason: str = ""


def against(decision: Decision, content_hash: str, run_id: str | None) -> Receipt:
    """What becomes of a decision whose id is stored already, with that content and of that run."""
    if decision.identity == (content_hash, run_id):
        return Receipt(Outcome.DUPLICATE)
    if decision.run_id == run_id:
        return Receipt(Outcome.CONFLICT, "is stored with other content")
    if run_id is None:
        return Receipt(Outcome.CONFLICT, "is stored outside of any load or smoke run")
    which = "a" if decision.run_id is None else "another"
    return Receipt(Outcome.CONFLICT, f"belongs to {which} load or smoke run, whose rows may be purged")


def time_of(decision_id: str) -> datetime | None:
    """The time inside a UUIDv7, None for any other id. Raises OverflowError past the year 9999."""
    return _time_inside(decision_id) if _V7.fullmatch(decision_id) else None


def with_time(text: str) -> tuple[str, datetime | None] | None:
    """The id as it is stored and its `time_of`; None when it is no id. Raises OverflowError.

    UUIDs ignore case, so a UUIDv7 is lowered.
    """
    if _V7.fullmatch(text):
        return text.lower(), _time_inside(text)
    return (text, None) if _ID.fullmatch(text) else None


def _time_inside(v7: str) -> datetime:
    return _EPOCH + int(v7[:8] + v7[9:13], 16) * _MILLISECOND
