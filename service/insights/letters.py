"""The dead letters: what could not be stored, listed, brought again, or given up."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.errors import Problem, StoreRefused
from service.http import TARGET, json_response, read_body
from service.insights import trace
from service.insights.decision import Decision, Outcome, Refusal
from service.insights.drain import UNIQUE_VIOLATION
from service.insights.insight import Database
from service.insights.persist import Result, persist
from service.insights.store import Store
from service.keyset import bad

MOST = 100
USUAL = 50
# One statement each; raw traces of 64 KiB must still fit.
PIECE = 100
MOST_IDS = 1000
MOST_BYTES = 64 * 1024
_LAST = 2**63 - 1
_SETTLED = (Outcome.STORED, Outcome.DUPLICATE)

Demand = Callable[[Request], None]


class Gauge(Protocol):
    """What a replay counts; service.metrics has the real one."""

    def replayed(self, count: int) -> None: ...


class Row(NamedTuple):
    """A letter as far as a replay needs it."""

    letter_id: int
    decision_id: str
    run_id: str | None
    raw: bytes


class Verdict(NamedTuple):
    """What became of a letter; one that is not stored stays, with its newest reason."""

    kind: str
    reason: str = ""
    sqlstate: str = ""


@dataclass(frozen=True)
class Letters:
    """Handlers; `may_read` and `may_administer` raise Problem 401 or 403."""

    database: Database
    store: Store
    gauge: Gauge
    now: Callable[[], datetime]
    retention: timedelta
    may_read: Demand
    may_administer: Demand

    def routes(self) -> list[Route]:
        return [
            Route("/api/dead-letters", self.newest),
            Route("/api/dead-letters", self.purge, methods=["DELETE"]),
            Route("/api/dead-letters/replay", self.replay, methods=["POST"]),
        ]

    async def newest(self, request: Request) -> Response:
        self.may_read(request)
        before, most = _page(request.query_params)
        rows = await self.database.rows("letters", {"before": before, "most": most + 1})
        page = rows[:most]
        more = str(page[-1][0]) if len(rows) > most else None
        return json_response({"items": [_shown(*row) for row in page], "nextCursor": more})

    async def replay(self, request: Request) -> Response:
        """Each letter as if it came now; the stored ones are letters no more."""
        self.may_administer(request)
        ids = _wanted(await read_body(request.scope, request.receive, MOST_BYTES))
        request.scope[TARGET] = "all" if ids is None else ", ".join(map(str, ids))
        counts: Counter[str] = Counter()
        async for piece in self._pieces(ids):
            counts.update(await self._replay(piece))
        self.gauge.replayed(counts["stored"])
        kinds = ("stored", "duplicate", "conflict", "refused")
        return json_response({"replayed": counts.total()} | {kind: counts[kind] for kind in kinds})

    async def purge(self, request: Request) -> Response:
        self.may_administer(request)
        ids = _named(request.query_params.getlist("id"), request.query_params.get("all"))
        if ids is not None:
            return json_response({"deleted": await self._delete(ids)})
        deleted, after = 0, 0
        while found := await self.database.rows("letter_ids_after", {"after": after, "most": PIECE * 10}):
            after = found[-1][0]
            deleted += await self._delete([letter_id for (letter_id,) in found])
        return json_response({"deleted": deleted})

    async def _pieces(self, ids: list[int] | None) -> AsyncIterator[list[Row]]:
        """Those named, or all; one that comes back while all are replayed is not met again."""
        if ids is not None:
            for start in range(0, len(ids), PIECE):
                yield _rows(await self.database.rows("letters_of", {"ids": ids[start : start + PIECE]}))
            return
        after = 0
        while found := _rows(await self.database.rows("letters_after", {"after": after, "most": PIECE})):
            after = found[-1].letter_id
            yield found

    async def _replay(self, letters: Sequence[Row]) -> Counter[str]:
        """A letter is deleted after its COMMIT: between the two it is a duplicate, and deleted next time."""
        now = self.now()
        parsed = [trace.parse(one.raw, now, self.retention, one.run_id) for one in letters]
        results = iter(await persist(self.store, [one for one in parsed if isinstance(one, Decision)]))
        verdicts = [_verdict(one, next(results) if isinstance(one, Decision) else one) for one in parsed]
        told = list(zip(letters, verdicts, strict=True))
        await self._delete([letter.letter_id for letter, verdict in told if verdict.kind in _SETTLED])
        await self._mark([one for one in told if one[1].kind not in _SETTLED])
        return Counter(verdict.kind for verdict in verdicts)

    async def _mark(self, told: Sequence[tuple[Row, Verdict]]) -> None:
        if told:
            marks = {
                "ids": [letter.letter_id for letter, _ in told],
                "reasons": [verdict.reason for _, verdict in told],
                "sqlstates": [verdict.sqlstate for _, verdict in told],
            }
            await self.database.rows("mark_letters", marks)

    async def _delete(self, ids: list[int]) -> int:
        return len(await self.database.rows("delete_letters", {"ids": ids})) if ids else 0


def _verdict(parsed: Decision | Refusal, result: Result | Refusal) -> Verdict:
    if isinstance(result, Refusal):
        return Verdict("refused", result.sentence())
    if isinstance(result, StoreRefused):
        return Verdict("refused", result.reason, result.sqlstate)
    if result.outcome is Outcome.CONFLICT and isinstance(parsed, Decision):
        return Verdict("conflict", f"decisionId {parsed.decision_id} {result.reason}", UNIQUE_VIOLATION)
    return Verdict(result.outcome)


def _rows(rows: list[tuple[Any, ...]]) -> list[Row]:
    return [Row(letter_id, decision_id, run_id, bytes(raw)) for letter_id, decision_id, run_id, raw in rows]


def _shown(*row: Any) -> dict[str, object]:
    letter_id, decision_id, run_id, reason, sqlstate, buried_at, attempts, raw = row
    return {
        "id": letter_id,
        "decisionId": decision_id,
        "runId": run_id,
        "reason": reason,
        "sqlstate": sqlstate or None,
        "buriedAt": buried_at,
        "sizeBytes": len(raw),
        "attempts": attempts,
        # Only what is UTF-8 passes the screen; what is not is shown as far as it goes.
        "raw": bytes(raw).decode("utf-8", "replace"),
    }


def _page(parameters: Mapping[str, str]) -> tuple[int, int]:
    unknown = sorted(set(parameters) - {"limit", "cursor"})
    if unknown:
        raise bad(unknown[0], "is not known here; there are limit, cursor", parameters[unknown[0]])
    limit, cursor = parameters.get("limit", str(USUAL)), parameters.get("cursor")
    most = _whole(limit)
    if most is None or not 1 <= most <= MOST:
        raise bad("limit", f"must be a whole number from 1 to {MOST}", limit)
    before = _LAST if cursor is None else _whole(cursor)
    if before is None:
        raise bad("cursor", "must be the nextCursor of an earlier page, unchanged", cursor or "")
    return before, most


def _whole(text: str) -> int | None:
    """A number that is the id of a row, None when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _named(texts: Sequence[str], everything: str | None) -> list[int] | None:
    """The ids of a purge, None for all of them; nothing at all is refused, since it may be a slip."""
    if everything is not None and (everything != "true" or texts):
        raise bad("all", "must be true, and stand without id", everything)
    if everything is None and not 0 < len(texts) <= MOST_IDS:
        raise bad("id", f"must be given 1 to {MOST_IDS} times; or give all=true", f"{len(texts)} times")
    ids = [(text, _whole(text)) for text in texts]
    for text, number in ids:
        if number is None:
            raise bad("id", "must be the id of a dead letter, a whole number", text)
    return None if everything else [number for _, number in ids if number is not None]


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a replay."""

    ids: list[int] | None = None


def _wanted(body: bytes) -> list[int] | None:
    """The ids of a replay, None for all of them."""
    try:
        ids = msgspec.json.decode(body or b"{}", type=_Wanted).ids
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(400, "Bad body", f'send {{"ids": [1, 2]}} or {{}} for all; {error}', "ids") from None
    if ids is not None and not (0 < len(ids) <= MOST_IDS and all(0 < one <= _LAST for one in ids)):
        raise Problem(
            400, "Bad body", f"ids must be 1 to {MOST_IDS} ids of dead letters; {len(ids)} came", "ids"
        )
    return list(dict.fromkeys(ids)) if ids is not None else None
