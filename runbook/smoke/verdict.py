"""Whether what was sent is what is stored. Pure: counts and answers in, lines out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Sent:
    """What the service answered, per trace."""

    stored: set[str] = field(default_factory=set)
    duplicate: int = 0
    conflict: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What was there afterwards. None: could not be asked, with the reason beside it."""

    by_api: int
    by_sql: int | None
    by_user: int
    differing: tuple[str, ...]
    sampled: int
    purged: int
    left: int
    sql_reason: str = ""


@dataclass(frozen=True)
class Expected:
    """What the plan of the run makes certain."""

    traces: int
    resent: int
    conflicts: int
    of_user: int


@dataclass(frozen=True)
class Line:
    """One comparison of the verdict."""

    name: str
    state: str
    detail: str


def judge(expected: Expected, sent: Sent, found: Found) -> list[Line]:
    refused = "; ".join(f"{one}: {why}" for one, why in list(sent.refused.items())[:3])
    return [
        _equal("acknowledged as stored", expected.traces, len(sent.stored), refused),
        _equal("resent, known as duplicate", expected.resent, sent.duplicate),
        _equal("same id, other content: refused", expected.conflicts, sent.conflict),
        _equal("counted by the API", expected.traces, found.by_api),
        _counted_by_sql(expected.traces, found),
        _equal("listed by user", expected.of_user, found.by_user),
        _equal(
            "read back equal",
            found.sampled,
            found.sampled - len(found.differing),
            ", ".join(found.differing[:3]),
        ),
        _equal("purged", expected.traces, found.purged),
        _equal("left after the purge", 0, found.left),
    ]


def passed(lines: list[Line]) -> bool:
    return all(line.state != "failed" for line in lines)


def differences(sent: Mapping[str, Any], read: Mapping[str, Any]) -> list[str]:
    """Fields that did not come back as they were sent; times are compared as moments."""
    return [name for name, value in sent.items() if not _same(name, value, read.get(name))]


def _same(name: str, sent: Any, read: Any) -> bool:
    if name == "occurredAt" and isinstance(read, str):
        return datetime.fromisoformat(sent) == datetime.fromisoformat(read)
    return bool(sent == read)


def _equal(name: str, expected: int, actual: int, reason: str = "") -> Line:
    if expected == actual:
        return Line(name, "ok", str(actual))
    return Line(name, "failed", f"{actual} of {expected}" + (f" ({reason})" if reason else ""))


def _counted_by_sql(expected: int, found: Found) -> Line:
    if found.by_sql is None:
        return Line("counted by SQL", "unknown", found.sql_reason)
    return _equal("counted by SQL", expected, found.by_sql)
