"""What must become of every line, written beside the run: JSON lines, small enough to keep, quick to read.

The first line says what was planned, then one array a line of traffic, then the totals:
    {"manifest": 1, "runId": "…", "seed": 1, "count": 3, "now": "…"}
    [1, "s", 201, "plain", "<decisionId>", "<content hash>"]
    [2, "d", 200, "repeat", "<decisionId>"]
    [3, "r", 400, "user-empty", "userId"]
    {"lines": 3, "stored": 1, "duplicate": 1, "conflict": 0, "refused": 1, "users": ["learner-…-1"]}
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from runbook.errors import UsageError
from runbook.traffic.line import Expected, Line, Outcome

VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What a run is made of: enough to make it again."""

    run_id: str
    seed: int
    count: int
    now: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What must become of one line."""

    number: int
    expected: Expected
    decision_id: str = ""
    content_hash: str = ""


@dataclass(frozen=True)
class Totals:
    """How many lines must end how, and whose traces must be stored."""

    lines: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    refused: int = 0
    users: tuple[str, ...] = ()


def written(plan: Plan, lines: Iterable[Line], file: TextIO) -> Iterator[Line]:
    """Passes the lines through as they are taken; the totals follow when there are no more."""
    file.write(_text({"manifest": VERSION, "runId": plan.run_id, "seed": plan.seed, "count": plan.count,
                      "now": plan.now}))  # fmt: skip
    counts: Counter[str] = Counter()
    users: dict[str, None] = {}
    for line in lines:
        file.write(_text(_fields(line)))
        counts[line.expected.outcome.name.lower()] += 1
        if line.user_id:
            users[line.user_id] = None
        yield line
    ends = {one.name.lower(): counts[one.name.lower()] for one in Outcome}
    file.write(_text({"lines": counts.total(), **ends, "users": list(users)}))
    file.flush()


def read_plan(path: Path) -> Plan:
    with path.open(encoding="utf-8") as file:
        header = _object(path, file.readline())
    if header.get("manifest") != VERSION:
        raise UsageError(f"{path}: no manifest of version {VERSION}", "amas traffic --manifest FILE")
    return Plan(header["runId"], header["seed"], header["count"], header["now"])


def entries(path: Path) -> Iterator[Entry]:
    """In the order of the run. Raises UsageError where the file is cut off."""
    for values in _rest(path):
        if isinstance(values, list):
            yield _entry(values)


def totals(path: Path) -> Totals:
    """They stand in the last line."""
    *_, last = _rest(path)
    return Totals(**last | {"users": tuple(last["users"])})


def _rest(path: Path) -> Iterator[Any]:
    """All after the first line, of which the last must be the totals."""
    values: Any = None
    with path.open(encoding="utf-8") as file:
        file.readline()
        for text in file:
            values = _object(path, text)
            yield values
    if not isinstance(values, dict):
        raise UsageError(f"{path}: cut off, the totals are missing", "amas traffic --manifest FILE")


def _object(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError(f"{path}: not a manifest: {text[:60]!r}", "amas traffic --manifest FILE") from None


def _fields(line: Line) -> list[object]:
    expected = line.expected
    start = [line.number, expected.outcome, expected.status, expected.reason]
    match expected.outcome:
        case Outcome.STORED:
            return [*start, line.decision_id, line.content_hash]
        case Outcome.REFUSED:
            return [*start, expected.field]
        case _:
            return [*start, line.decision_id]


def _entry(values: list[Any]) -> Entry:
    number, letter, status, reason, *rest = values
    outcome = Outcome(letter)
    if outcome is Outcome.REFUSED:
        return Entry(number, Expected(outcome, status, reason, rest[0]))
    return Entry(number, Expected(outcome, status, reason), *rest)


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _text(value: object) -> str:
    return _ENCODE(value) + "\n"
