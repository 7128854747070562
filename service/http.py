"""The HTTP edge: request ids, security headers, problem answers, bodies within limits."""

import dataclasses
import itertools
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Disconnected, Problem, ServiceError, StoreBusy, StoreUnavailable

JSON = b"application/json"
PROBLEM = "application/problem+json"
REQUEST_ID = "amas.request_id"
# Whose key it was, where a route demanded one of scope admin; see `keys.Keys.demand`.
ADMIN = "amas.admin"
# What an admin action is done to, where neither path nor query tells; set by its route.
TARGET = "amas.target"
# What was answered, from the head of the answer on.
STATUS = "amas.status"
# Where a route that does answer a page leaves its own content security policy.
POLICY = "amas.policy"
# Where a server that can send an answer as it stands leaves a way to the connection (weak: a scope that its
# connection holds must not hold it).
CONNECTION = "amas.connection"

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# Random for this process and counted in it: to ask the kernel for each would cost more than to parse one.
_NEXT_ID = os.urandom(9).hex().encode() + b"-%x"
_COUNT = itertools.count(1)
# Headers by name, once somebody asked for one.
_NAMED = "amas.headers"
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_POLICY = b"content-security-policy"
# An API: but for the console, nothing here is ever a page or a script, and nothing is to be framed. Every
# header costs the server a microsecond, so what only a page can heed goes with pages alone.
_OF_ANSWERS = (_NO_SNIFFING, (_POLICY, b"default-src 'none'; frame-ancestors 'none'"))
_OF_PAGES = (_NO_SNIFFING, (b"x-frame-options", b"DENY"), (b"referrer-policy", b"no-referrer"))
_NO_STORE = (b"cache-control", b"no-store")


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """As they go over the wire."""
    return b"".join([b"%b: %b\r\n" % one for one in headers])


# What `respond` and the edge say of an answer in JSON.
_FIELDS = lines(
    (
        (b"content-type", JSON),
        (b"content-length", b"%d"),
        _NO_STORE,
        *_OF_ANSWERS,
        (b"x-request-id", b"%b"),
    )
)

logger = logging.getLogger("Http")


class Edge:
    """Gives every request an id, every answer its headers, and every error one form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope[REQUEST_ID] = request_id.decode()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope[STATUS] = message["status"]
                own = (*_OF_PAGES, (_POLICY, scope[POLICY])) if POLICY in scope else _OF_ANSWERS
                message["headers"] = [*message["headers"], *own, (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Disconnected:
            logger.debug("client went away", extra={"requestId": scope[REQUEST_ID], "path": scope["path"]})
        except Exception as error:
            if STATUS not in scope:
                await send_problem(with_headers, scope, as_problem(error))
            if not isinstance(error, ServiceError | HTTPException):
                facts = {"requestId": scope[REQUEST_ID], "path": scope["path"]}
                logger.exception("unforeseen error", extra=facts)


def _request_id(scope: Scope) -> bytes:
    came = header(scope, b"x-request-id")
    return came if came and _REQUEST_ID.fullmatch(came) else _NEXT_ID % next(_COUNT)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name (in lower case)."""
    return named(scope).get(name)


def named(scope: Scope) -> dict[bytes, bytes]:
    """The first header of each name; made once, since half a dozen are asked for in every request."""
    first: dict[bytes, bytes] | None = scope.get(_NAMED)
    if first is None:
        first = scope[_NAMED] = dict(reversed(scope["headers"]))
    return first


def authorization(scope: Scope) -> str | None:
    """Several headers are joined, as lists are, into what no key matches: it is not for us to pick one."""
    first = header(scope, b"authorization")
    if first is None:
        return None
    if len(named(scope)) == len(scope["headers"]):
        return first.decode("latin-1")
    came = [value for key, value in scope["headers"] if key == b"authorization"]
    return b", ".join(came).decode("latin-1")


def as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem(error.status_code, error.detail, _HTTP_DETAIL.get(error.status_code, error.detail),
                       headers=error.headers or {})  # fmt: skip
    if isinstance(error, StoreBusy):
        waits = "as many requests wait for the database as may; try again"
        return Problem(503, "Store busy", waits, headers={"Retry-After": "2"})
    if isinstance(error, StoreUnavailable):
        return Problem(
            503, "Store away", "the database did not answer; try again", headers={"Retry-After": "2"}
        )
    return Problem(500, "Internal error", "the service failed; its log has the request id")


_HTTP_DETAIL = {
    404: "no such route; GET /openapi.json lists them",
    405: "the route does not take this method; the Allow header lists those it takes",
}


def problem_body(problem: Problem, request_id: str) -> bytes:
    body: dict[str, object] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "requestId": request_id,
    }
    if problem.field is not None:
        body["field"] = problem.field
    return msgspec.json.encode(body | dict(problem.more))


async def send_problem(send: Send, scope: Scope, problem: Problem) -> None:
    headers = [(key.lower().encode(), value.encode()) for key, value in problem.headers.items()]
    body = problem_body(problem, scope[REQUEST_ID])
    await respond(send, problem.status, body, PROBLEM.encode(), headers)


def raw_problem(problem: Problem) -> bytes:
    """A whole HTTP/1.1 answer, for what is refused before it is a request; the connection ends with it."""
    request_id = os.urandom(12).hex()
    body = problem_body(problem, request_id)
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        _NO_STORE,
        *_OF_ANSWERS,
        (b"x-request-id", request_id.encode()),
    ]
    status = f"HTTP/1.1 {problem.status} {problem.title}\r\n".encode()
    return b"".join((status, lines(headers), b"\r\n", body))


async def respond(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = JSON,
    more: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """A whole answer without a Response object, for the hot route."""
    length = str(len(body)).encode()
    headers = [(b"content-type", content_type), (b"content-length", length), _NO_STORE, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Connection(Protocol):
    """The part of __main__.Guarded that is used here."""

    def answer_at_once(self, scope: Scope, status: int, fields: bytes, body: bytes) -> bool:
        """Send status, fields and body; False when they have to go as messages instead."""


async def answer(scope: Scope, send: Send, status: int, body: bytes) -> None:
    """`respond` for the hot route: past the edge and the server's look at every header, where that can be.

    What the two do for one answer of seven headers costs as much as a third of parsing a trace.
    """
    find: Callable[[], Connection | None] | None = scope.get(CONNECTION)
    connection = find() if find else None
    fields = _FIELDS % (len(body), scope[REQUEST_ID].encode())
    if connection is not None and connection.answer_at_once(scope, status, fields, body):
        scope[STATUS] = status
    else:
        await respond(send, status, body)


async def problem_response(request: Request, error: Exception) -> Response:
    """Starlette's exception handler."""
    problem = as_problem(error)
    if problem.status == 405:
        problem = dataclasses.replace(problem, headers={"Allow": _allowed(request)})
    body = problem_body(problem, request.scope[REQUEST_ID])
    return Response(body, problem.status, dict(problem.headers) | {"Cache-Control": "no-store"}, PROBLEM)


def _allowed(request: Request) -> str:
    """What all routes of that path take; the framework names those of the first one only."""
    methods: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` encoded; bytes are taken for JSON already."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(body, status, {"Cache-Control": "no-store"} | dict(headers or {}), JSON.decode())


async def read_body(scope: Scope, receive: Receive, most_bytes: int) -> bytes:
    """The whole body; raises Problem 413 as soon as it is known to be too long, announced or not."""
    refuse_announced(scope, most_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        return whole if len(whole) <= most_bytes else _refuse_size(most_bytes)
    parts = bytearray(_part(message))
    while message.get("more_body"):
        message = await receive()
        parts += _part(message)
        if len(parts) > most_bytes:
            _refuse_size(most_bytes)
    return bytes(parts)


async def stream_body(receive: Receive) -> AsyncIterator[bytes]:
    """The body in the pieces it arrives in; raises Disconnected."""
    more = True
    while more:
        message = await receive()
        yield _part(message)
        more = message.get("more_body", False)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected("while its body was read")
    part: bytes = message.get("body", b"")
    return part


def refuse_announced(scope: Scope, most_bytes: int) -> None:
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > most_bytes:
        _refuse_size(most_bytes)


def _refuse_size(most_bytes: int) -> bytes:
    raise Problem(413, "Too large", f"the body may have {most_bytes} bytes at most")
