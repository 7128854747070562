"""When the process ends, and how."""

import asyncio
import gc
import re
import socket
import struct
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from service import http
from service.__main__ import ANSWER_S, FINISH_S, DrainingServer, Guarded, OneWrite
from service.insights.writer import LONGEST_PAUSE_S, RETRY_FOR_S

pytestmark = pytest.mark.anyio


@dataclass
class Replica:
    """What the server asks of the service."""

    failed: bool = False
    drained: int = 0
    finish_s: float | None = None

    def drain(self) -> None:
        self.drained += 1

    def finish_within(self, seconds: float) -> None:
        self.finish_s = seconds


async def app(*_: object) -> None:
    pass


def server(replica: Replica, drain_s: float = 60) -> DrainingServer:
    made = DrainingServer(uvicorn.Config(app), replica, drain_s)  # type: ignore[arg-type]
    made.started = True
    return made


async def test_a_signal_drains_and_the_second_ends() -> None:
    replica = Replica()
    running = server(replica)
    running.handle_exit(15, None)
    assert not await running.on_tick(1)
    running.handle_exit(15, None)
    assert await running.on_tick(1)
    assert replica.drained == 1


async def test_a_signal_before_anything_is_served_ends_at_once() -> None:
    replica = Replica()
    running = server(replica)
    running.started = False
    running.handle_exit(15, None)
    assert running.should_exit
    assert replica.drained == 1


async def test_a_replica_that_lost_a_task_drains_once_and_ends() -> None:
    replica = Replica(failed=True)
    running = server(replica, drain_s=0)
    for _ in range(2):
        assert await running.on_tick(1)
    assert replica.drained == 1


async def test_the_writer_gives_up_before_the_requests_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shutdown(_: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        pass

    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    replica = Replica()
    await server(replica).shutdown()
    assert replica.finish_s == FINISH_S - ANSWER_S
    assert RETRY_FOR_S + LONGEST_PAUSE_S < FINISH_S - ANSWER_S < FINISH_S


@dataclass
class Hot:
    """Answers with the path, and counts the messages it took."""

    messages: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted(message: Any) -> None:
            self.messages += 1
            await send(message)

        await http.read_body(scope, receive, 1000)
        await asyncio.sleep(0.1 if scope["path"] == "/slow" else 0)
        await http.answer(scope, counted, 201, scope["path"].encode())


@dataclass
class Listening:
    """A server on a socket, and what it made for each connection."""

    state: ServerState
    hot: Hot
    made: list[weakref.ref[Guarded]]
    address: tuple[str, int]


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    hot = Hot()
    config = uvicorn.Config(
        http.Edge(hot), http=Guarded, lifespan="off", timeout_keep_alive=60, log_config=None
    )
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    made: list[weakref.ref[Guarded]] = []

    def connection() -> Guarded:
        one = Guarded(config=config, server_state=state, app_state={})
        made.append(weakref.ref(one))
        return one

    async with await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0) as standing:
        yield Listening(state, hot, made, standing.sockets[0].getsockname())


async def answers_to(up: Listening, *requests: bytes) -> list[bytes]:
    """What comes back for requests that are sent in one piece, each with its head."""
    reader, writer = await asyncio.open_connection(*up.address)
    writer.write(b"".join(requests))
    came = []
    async with asyncio.timeout(5):
        for _ in requests:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length
            came.append(head + await reader.readexactly(int(length[1])))
    writer.close()
    return came


GET = b"GET /%b HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\n\r\n"
CLOSE = b"GET /%b HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\nConnection: close\r\n\r\n"


async def test_an_answer_that_goes_at_once_says_what_one_by_messages_says() -> None:
    async with listening() as up:
        (at_once,) = await answers_to(up, GET % (b"path", b"id"))
        assert up.hot.messages == 0
        (by_messages,) = await answers_to(up, CLOSE % (b"path", b"id"))
        assert up.hot.messages == 2
    assert b"connection: close\r\n" in by_messages
    head, _, body = by_messages.replace(b"connection: close\r\n", b"").partition(b"\r\n\r\n")
    assert body == b"/path"
    assert sorted(at_once.partition(b"\r\n\r\n")[0].split(b"\r\n")) == sorted(head.split(b"\r\n"))
    assert at_once.endswith(b"\r\n\r\n/path")
    assert b"x-request-id: id\r\n" in at_once
    assert b"date: today\r\n" in at_once


async def test_requests_sent_in_a_row_are_answered_in_their_order() -> None:
    rows = [GET % (path, b"id") for path in (b"slow", b"b", b"slow", b"d", b"e")]
    async with listening() as up:
        came = await answers_to(up, *rows)
        assert up.state.total_requests == 5
        # But the last one, which is known.
        assert up.hot.messages == 8
    assert [one.rpartition(b"\r\n\r\n")[2] for one in came] == [b"/slow", b"/b", b"/slow", b"/d", b"/e"]


async def test_nothing_of_a_connection_that_was_reset_stays_in_memory() -> None:
    async with listening() as up:
        reader, writer = await asyncio.open_connection(*up.address)
        writer.write(GET % (b"a", b"id"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201")
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        writer.close()
        async with asyncio.timeout(5):
            while up.made[0]() is not None:
                await asyncio.sleep(0.01)
                gc.collect()


class Closed:
    """What uvloop's transport does once its client has gone."""

    def is_closing(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        raise RuntimeError(f"the handler is closed: {data!r}")


async def test_what_was_written_to_a_client_that_left_in_the_same_turn_is_dropped() -> None:
    loop = asyncio.get_running_loop()
    raised: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: raised.append(context))
    OneWrite(Closed(), loop).write(b"late")  # type: ignore[arg-type]
    flushed = loop.create_future()
    loop.call_soon(flushed.set_result, None)
    await flushed
    assert not raised
