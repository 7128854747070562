"""A line of traffic: the bytes to send, and what must become of them."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The value is its letter in the manifest."""

    STORED = "s"
    DUPLICATE = "d"
    CONFLICT = "c"
    REFUSED = "r"


STATUS = {Outcome.STORED: 201, Outcome.DUPLICATE: 200, Outcome.CONFLICT: 409}


@dataclass(frozen=True, slots=True)
class Expected:
    """`reason` names the kind of line: why this outcome is due. `field` is known for refusals only."""

    outcome: Outcome
    status: int
    reason: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1; lines of one wave may be sent in any order, waves may not."""

    number: int
    wave: int
    raw: bytes
    expected: Expected
    # As the service stores and answers it; empty for a refused line.
    decision_id: str = ""
    # Of what must be read back, and whose it is; empty unless it must be stored.
    content_hash: str = ""
    user_id: str = ""
    # A request of its own: among other lines these bytes would be no line, or several.
    alone: bool = False
