"""The routes of the switches and of the audit log."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import http
from service.admin.audit import Database
from service.admin.switches import NAMES, State, Switches
from service.errors import Problem
from service.keyset import Cursor, bad, limit_of, read_cursor, write_cursor

MOST_REASON = 200
# A body of the longest reason, escaped, and room.
MOST_BODY_BYTES = 4096
MOST_ENTRIES = 200
USUAL_ENTRIES = 50
# A UUID, and room.
LONGEST_ID = 64
SHOWN = ("at", "action", "target", "by", "requestId", "result")

# One line.
_REASON = re.compile(rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{{1,{MOST_REASON}}}")
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
# Above every UUID there is in the order of text.
_LAST_ID = "g"

Demand = Callable[[Request], None]


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a switch is to stand."""

    on: bool
    reason: str


@dataclass(frozen=True)
class Admin:
    """Handlers; `may_read` and `may_administer` raise Problem 401 or 403."""

    switches: Switches
    database: Database
    now: Callable[[], datetime]
    may_read: Demand
    may_administer: Demand

    def routes(self) -> list[Route]:
        return [
            Route("/api/switches", self.list_switches),
            Route("/api/switches/{name}", self.throw, methods=["PUT"]),
            Route("/api/audit", self.audit),
        ]

    async def list_switches(self, request: Request) -> Response:
        self.may_read(request)
        return http.json_response({"switches": shown(self.switches)})

    async def throw(self, request: Request) -> Response:
        self.may_administer(request)
        name = request.path_params["name"]
        if name not in NAMES:
            allowed = ", ".join(NAMES)
            raise Problem(404, "Not found", f"no switch {name[:80]!r}; there are {allowed}", "name")
        wanted = _wanted(await http.read_body(request.scope, request.receive, MOST_BODY_BYTES))
        by = request.scope[http.ADMIN]
        state = await self.switches.throw(
            name, on=wanted.on, reason=wanted.reason.strip(), by=by, now=self.now()
        )
        return http.json_response(_shown(name, state))

    async def audit(self, request: Request) -> Response:
        """Newest first, by keyset: an entry that comes meanwhile moves no page."""
        self.may_administer(request)
        most, cursor = page_of(request.query_params)
        rows = await self.database.rows(
            "audit_entries", {"before": cursor.before, "before_id": cursor.before_id, "most": most + 1}
        )
        page, more = rows[:most], len(rows) > most
        items = [dict(zip(SHOWN, entry, strict=True)) for _, *entry in page]
        following = write_cursor(Cursor(page[-1][1], page[-1][0])) if more else None
        return http.json_response({"items": items, "nextCursor": following})


def shown(switches: Switches) -> list[dict[str, object]]:
    return [_shown(name, switches.state(name)) for name in NAMES]


def _shown(name: str, state: State) -> dict[str, object]:
    return {"name": name} | msgspec.structs.asdict(state)


def _wanted(body: bytes) -> Wanted:
    try:
        wanted = msgspec.json.decode(body, type=Wanted)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, "Bad switch", f'{error}; send {{"on": true or false, "reason": text}}') from None
    if not _REASON.fullmatch(wanted.reason) or not wanted.reason.strip():
        allowed = f"must say why in one line of 1 to {MOST_REASON} characters"
        raise Problem(400, "Bad switch", f"reason {allowed}; it came as {wanted.reason[:80]!r}", "reason")
    return wanted


def page_of(parameters: Mapping[str, str]) -> tuple[int, Cursor]:
    """Raises Problem 400 naming the parameter, what came and what is allowed."""
    for name, text in parameters.items():
        if name not in ("limit", "cursor"):
            raise bad(name[:80], "is not known here; there are limit, cursor", text)
    cursor = parameters.get("cursor")
    newest = Cursor(_LAST, _LAST_ID)
    return limit_of(
        parameters.get("limit"), USUAL_ENTRIES, MOST_ENTRIES
    ), newest if cursor is None else read_cursor(cursor, LONGEST_ID)
