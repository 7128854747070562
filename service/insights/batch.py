"""Many traces in one request: read in pieces, each piece committed before the next is read."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

from starlette.types import Receive, Scope

from service import http
from service.errors import Problem
from service.insights import lines, trace
from service.insights.decision import Outcome, Receipt, Refusal
from service.insights.intake import STATUS, Intake, reason

MOST_BYTES = 8 * 1024 * 1024
MOST_LINES = 10_000
# A few batches of the writer; more would only wait in the queue, and keep single traces out of it.
PIECE_LINES = 500
# A piece ends when it has so much, so that a request holds little that the queue does not know of.
PIECE_BYTES = 1024 * 1024

# Lines that are parsed at a stretch, about two milliseconds: the writer, whose database would be idle, and
# the other requests come in between.
STRETCH_LINES = 50

Result = dict[str, object]


@dataclass
class Report:
    """One result for each line that is not blank, in order."""

    results: list[Result] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def only_unavailable(self) -> bool:
        return set(self.counts) == {Outcome.UNAVAILABLE}

    def add(self, result: Result, outcome: str) -> None:
        self.results.append(result)
        self.counts[outcome] += 1

    def answer(self) -> dict[str, object]:
        taken = {one.value: self.counts[one] for one in (Outcome.STORED, Outcome.DUPLICATE, Outcome.SPOOLED)}
        refused = len(self.results) - sum(taken.values())
        return {**taken, "refused": refused, "results": self.results}


async def take(intake: Intake, scope: Scope, receive: Receive, run_id: str | None) -> Report:
    """Raises Problem 413 past the limits; it then carries the results of the lines that were read."""
    http.refuse_announced(scope, MOST_BYTES)
    report = Report()
    parts = lines.split(http.stream_body(receive), trace.MOST_BYTES, MOST_BYTES)
    try:
        async for piece in _pieces(parts):
            await _take_piece(intake, piece, run_id, report)
    except lines.TooManyBytes:
        raise _too_large(f"{MOST_BYTES} bytes", report) from None
    except _TooManyLines:
        raise _too_large(f"{MOST_LINES} lines", report) from None
    if not report.results:
        raise Problem(400, "Empty batch", "the body holds no line; send one trace a line")
    return report


class _TooManyLines(Exception):
    pass


async def _pieces(parts: AsyncIterator[lines.Line]) -> AsyncIterator[list[lines.Line]]:
    piece: list[lines.Line] = []
    size_bytes = 0
    async for line in parts:
        if line.number > MOST_LINES:
            raise _TooManyLines
        piece.append(line)
        size_bytes += len(line.content or b"")
        if len(piece) == PIECE_LINES or size_bytes >= PIECE_BYTES:
            yield piece
            piece, size_bytes = [], 0
    if piece:
        yield piece


async def _take_piece(intake: Intake, piece: list[lines.Line], run_id: str | None, report: Report) -> None:
    """All lines of the piece are offered before the first is awaited, so that they share commits."""
    offered: list[tuple[int, tuple[str, Refusal | Awaitable[Receipt]]]] = []
    for start in range(0, len(piece), STRETCH_LINES):
        # One batch at a time: the stretches of many at once would be a long one together.
        async with intake.turn:
            stretch = piece[start : start + STRETCH_LINES]
            offered += [(line.number, _offer(intake, line, run_id)) for line in stretch]
            await asyncio.sleep(0)
    for number, (decision_id, answer) in offered:
        if isinstance(answer, Refusal):
            report.add(_refused(number, answer), "refused")
        else:
            receipt = await answer
            report.add(_decided(number, decision_id, receipt), receipt.outcome)


def _offer(intake: Intake, line: lines.Line, run_id: str | None) -> tuple[str, Refusal | Awaitable[Receipt]]:
    if line.content is None:
        intake.counts.refused("too_big")
        return "", Refusal(None, f"a line may have {trace.MOST_BYTES} bytes at most", status=413)
    parsed = intake.parse(line.content, run_id)
    if isinstance(parsed, Refusal):
        return "", parsed
    return parsed.decision_id, intake.offer(parsed, line.content)


def _refused(number: int, refusal: Refusal) -> Result:
    result: Result = {"line": number, "status": refusal.status, "detail": refusal.sentence()}
    return result | ({"field": refusal.field} if refusal.field else {})


def _decided(number: int, decision_id: str, receipt: Receipt) -> Result:
    status = STATUS[receipt.outcome]
    result: Result = {"line": number, "decisionId": decision_id, "status": status}
    if status < 400:
        return result
    result["detail"] = reason(decision_id, receipt)
    return result | ({"field": "decisionId"} if receipt.outcome is Outcome.CONFLICT else {})


def _too_large(allowed: str, report: Report) -> Problem:
    return Problem(
        413,
        "Too large",
        f"a batch may have {allowed} at most; lines without a result were not read",
        more=report.answer(),
    )
