"""POST /api/decisions, a bare ASGI endpoint: the framework would cost more than the statement."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from starlette.types import Receive, Scope, Send

from service import http
from service.errors import Problem
from service.insights import batch, trace
from service.insights.decision import Outcome, Receipt, Refusal
from service.insights.intake import STATUS, WRITES_DISABLED, Intake, reason

RUN_ID_ALLOWED = "1 to 64 characters of [A-Za-z0-9._-]"
RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_JSON_TYPES = re.compile(rb'application/json\s*(;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
_LINES_TYPES = re.compile(rb'application/(x-ndjson|jsonl)\s*(;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)


@dataclass(frozen=True)
class Ingest:
    """Takes one trace (JSON) or many (NDJSON); answers 2xx only for what is committed, or spooled."""

    intake: Intake
    demand_key: Callable[[str | None], object]
    jitter: Callable[[], float] = random.random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise Problem(405, "Method not allowed", "this route takes POST only", headers={"Allow": "POST"})
        self.demand_key(http.authorization(scope))
        # Before the body is read: it would only be thrown away.
        if self.intake.writes_disabled():
            self.intake.counts.refused("writes_disabled")
            raise self._busy(WRITES_DISABLED)
        run_id = _run_id(scope)
        if _is_lines(scope):
            await self._many(scope, receive, send, run_id)
        else:
            await self._one(scope, receive, send, run_id)

    async def _one(self, scope: Scope, receive: Receive, send: Send, run_id: str | None) -> None:
        raw = await self._body(scope, receive)
        parsed = self.intake.parse(raw, run_id)
        if isinstance(parsed, Refusal):
            raise Problem(parsed.status, "Trace refused", parsed.sentence(), parsed.field)
        receipt = await self.intake.offer(parsed, raw)
        status = STATUS[receipt.outcome]
        if status >= 400:
            raise self._not_stored(parsed.decision_id, receipt)
        body = b'{"decisionId":"%b","state":"%b"}'
        answer = body % (parsed.decision_id.encode(), receipt.outcome.encode())
        await http.answer(scope, send, status, answer)

    async def _many(self, scope: Scope, receive: Receive, send: Send, run_id: str | None) -> None:
        report = await batch.take(self.intake, scope, receive, run_id)
        if report.only_unavailable:
            raise self._busy("no line could be stored now", {"results": report.results})
        await http.respond(send, 200, msgspec.json.encode(report.answer()))

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        try:
            return await http.read_body(scope, receive, trace.MOST_BYTES)
        except Problem:
            self.intake.counts.refused("too_big")
            raise

    def _not_stored(self, decision_id: str, receipt: Receipt) -> Problem:
        why = reason(decision_id, receipt)
        if receipt.outcome is Outcome.UNAVAILABLE:
            return self._busy(why)
        if receipt.outcome is Outcome.CONFLICT:
            return Problem(409, "Conflict", why, "decisionId")
        return Problem(STATUS[receipt.outcome], "Trace refused", why)

    def _busy(self, why: str, more: dict[str, object] | None = None) -> Problem:
        """Spread over 1 to 5 s, so that refused senders do not come back as one."""
        retry_after_s = 1 + int(self.jitter() * 5)
        headers = {"Retry-After": str(retry_after_s)}
        return Problem(503, "Not stored", why, headers=headers, more=more or {})


def _run_id(scope: Scope) -> str | None:
    came = http.header(scope, b"x-amas-run-id")
    if came is None:
        return None
    text = came.decode("latin-1")
    if not RUN_ID.fullmatch(text):
        raise Problem(400, "Bad run id", f"X-Amas-Run-Id must be {RUN_ID_ALLOWED}", "X-Amas-Run-Id")
    return text


def _is_lines(scope: Scope) -> bool:
    """Raises Problem 415 for anything that is neither of the two types."""
    encoding = http.header(scope, b"content-encoding")
    if encoding not in (None, b"identity"):
        raise _unsupported(f"Content-Encoding {encoding.decode('latin-1')[:40]!r}" if encoding else "")
    kind = http.header(scope, b"content-type") or b""
    if kind == http.JSON or _JSON_TYPES.fullmatch(kind):
        return False
    if _LINES_TYPES.fullmatch(kind):
        return True
    raise _unsupported(f"Content-Type {kind.decode('latin-1')[:60]!r}")


def _unsupported(came: str) -> Problem:
    return Problem(
        415,
        "Unsupported type",
        f"{came}: send application/json (one trace) or application/x-ndjson (one a line), in plain UTF-8",
        headers={"Accept-Post": "application/json, application/x-ndjson"},
    )
