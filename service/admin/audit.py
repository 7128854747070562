"""The record of every administrator's action: a log line at once, and a row in the database soon after."""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import http
from service.errors import StoreRefused, StoreUnavailable

# Reading changes nothing, so it is no action.
SAFE = ("GET", "HEAD", "OPTIONS")
MOST_WAITING = 1000
MOST_TARGET = 200
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
# Parameters that name what an action is done to.
TARGETS = ("id", "all")

logger = logging.getLogger("Audit")
# Whatever level the log has: these lines are the record itself.
logger.setLevel(logging.INFO)


class Entry(msgspec.Struct, frozen=True):
    """Who did what to what, and what came of it."""

    entry_id: str
    at: datetime
    action: str
    target: str
    by: str
    request_id: str
    result: int


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class Counter(Protocol):
    """A counter of service.metrics."""

    def inc(self) -> None: ...


class Audited:
    """ASGI: notes each request that an admin key was demanded for, once it is answered."""

    def __init__(self, app: ASGIApp, note: Callable[[Entry], None], now: Callable[[], datetime]) -> None:
        self._app = app
        self._note = note
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if http.ADMIN in scope and scope["method"] not in SAFE:
                self._note(entry_of(scope, status, self._now()))


def entry_of(scope: Scope, status: int, now: datetime) -> Entry:
    template = getattr(scope.get("route"), "path", scope["path"])
    return Entry(
        entry_id=str(uuid.uuid4()),
        at=now,
        action=f"{scope['method']} {template}",
        target=_target(scope),
        by=scope[http.ADMIN],
        request_id=scope[http.REQUEST_ID],
        result=status,
    )


def _target(scope: Scope) -> str:
    """What the route says, else its path's parameters, else those of the query that name something."""
    found = [scope[http.TARGET]] if http.TARGET in scope else list(scope.get("path_params", {}).values())
    if not found:
        pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
        found = [value if key == "id" else f"{key}={value}" for key, value in pairs if key in TARGETS]
    text = ", ".join(map(str, found))
    return "".join(one if one.isprintable() else "\ufffd" for one in text)[:MOST_TARGET]


class Trail:
    """Entries on their way to the database; while it is away they wait, as many as there is room for."""

    def __init__(self, database: Database, lost: Counter, most_waiting: int = MOST_WAITING) -> None:
        self._database = database
        self._lost = lost
        self._most_waiting = most_waiting
        self._waiting: deque[Entry] = deque()
        self._noted = asyncio.Event()

    def note(self, entry: Entry) -> None:
        logger.info("admin action", extra=_facts(entry))
        if len(self._waiting) >= self._most_waiting:
            self._lose(entry, f"{self._most_waiting} entries wait already")
            return
        self._waiting.append(entry)
        self._noted.set()

    async def keep(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            await self._noted.wait()
            try:
                await self._write_all()
                failures = 0
                continue
            except StoreUnavailable as error:
                logger.warning("audit entries wait", extra={"why": str(error), "entries": len(self._waiting)})
            except Exception:
                logger.exception("audit entries wait", extra={"entries": len(self._waiting)})
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    async def finish(self, within_s: float) -> None:
        """A last attempt before the end; what is left stands in the log alone."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(within_s):
                await self._write_all()
        for entry in self._waiting:
            self._lose(entry, "the service ends")

    async def _write_all(self) -> None:
        """An entry leaves the queue when it stands in the database; written twice it stands there once."""
        self._noted.clear()
        try:
            while self._waiting:
                entry = self._waiting[0]
                try:
                    await self._database.rows("add_audit_entry", msgspec.structs.asdict(entry))
                except StoreRefused as error:
                    self._lose(entry, str(error))
                self._waiting.popleft()
        except BaseException:
            self._noted.set()
            raise

    def _lose(self, entry: Entry, why: str) -> None:
        self._lost.inc()
        logger.error("an audit entry stands in the log alone", extra=_facts(entry) | {"why": why})


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "target": entry.target,
        "by": entry.by,
        "requestId": entry.request_id,
        "result": entry.result,
    }
