"""The edge on its own: bodies, late errors, what passes it by."""

import logging
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from service import http
from service.errors import Disconnected, Problem

pytestmark = pytest.mark.anyio


def received(*messages: Message) -> Receive:
    rest: Iterator[Message] = iter(messages)

    async def receive() -> Message:
        return next(rest)

    return receive


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def scope(**headers: str) -> Scope:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": "/", "headers": sent}


def repeated(*headers: tuple[bytes, bytes]) -> Scope:
    return {"type": "http", "path": "/", "headers": list(headers)}


def test_of_several_headers_of_one_name_the_first_counts() -> None:
    came = repeated((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    assert [http.header(came, name) for name in (b"a", b"b", b"c")] == [b"1", b"2", None]


def test_several_keys_are_joined_into_one_that_none_matches() -> None:
    twice = repeated((b"authorization", b"Bearer x"), (b"host", b"h"), (b"authorization", b"Bearer y"))
    assert http.authorization(twice) == "Bearer x, Bearer y"
    assert http.authorization(scope(authorization="Bearer x", host="h")) == "Bearer x"
    assert http.authorization(repeated((b"host", b"h"), (b"host", b"i"))) is None
    assert http.authorization(repeated((b"authorization", b""))) == ""


async def test_a_body_is_joined_from_its_parts() -> None:
    receive = received(part(b"ab", more=True), part(b"c", more=True), part(b""))
    assert await http.read_body(scope(), receive, 3) == b"abc"


async def test_an_announced_size_is_refused_before_anything_is_read() -> None:
    with pytest.raises(Problem, match="413"):
        await http.read_body(scope(content_length="4"), received(), 3)


@pytest.mark.parametrize("messages", [(part(b"abcd"),), (part(b"ab", more=True), part(b"cd", more=True))])
async def test_an_unannounced_size_is_refused_while_it_is_read(messages: tuple[Message, ...]) -> None:
    with pytest.raises(Problem, match="413"):
        await http.read_body(scope(), received(*messages), 3)


async def test_a_client_that_left_is_known() -> None:
    with pytest.raises(Disconnected):
        await http.read_body(scope(), received(part(b"a", more=True), {"type": "http.disconnect"}), 3)
    with pytest.raises(Disconnected):
        await http.read_body(scope(), received({"type": "http.disconnect"}), 3)


async def test_an_error_after_the_answer_began_is_logged_and_not_answered_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with caplog.at_level(logging.ERROR):
        await http.Edge(app)(scope(), received(), send)
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert "late" in caplog.text


async def test_other_protocols_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await http.Edge(app)({"type": "lifespan"}, received(), send)
    assert seen == ["lifespan"]
