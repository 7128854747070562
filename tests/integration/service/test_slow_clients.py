"""A client that is slow on purpose is cut; one that waits for the service is not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service import http
from service.__main__ import DrainingServer, Guarded
from service.errors import Disconnected
from service.pace import Limits

pytestmark = pytest.mark.anyio

# Looked at every half second.
LIMITS = Limits(head_s=1, body_s=2, answer_s=1, close_s=1, body_grace_s=60)
LATEST_S = 6
HEAD = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Replica:
    """An app that reads its body, and what the server asks of the service."""

    cut_phases: list[str] = field(default_factory=list)
    gone: int = 0
    failed: bool = False

    def drain(self) -> None:
        pass

    def finish_within(self, seconds: float) -> None:
        pass

    def cut(self, phase: str) -> None:
        self.cut_phases.append(phase)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/refused":
            await http.respond(send, 401, b"no")
            return
        if scope["path"] == "/busy":
            # Longer than any limit here.
            await asyncio.sleep(3)
        try:
            body = await http.read_body(scope, receive, 10**9)
        except Disconnected:
            self.gone += 1
            return
        answer = b"x" * 30_000_000 if scope["path"] == "/large" else str(len(body)).encode()
        await http.respond(send, 200, answer)


@dataclass
class Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def trickle(self, data: bytes) -> None:
        """One byte after the other, for ever, until the other side has enough."""
        try:
            while True:
                await self.send(data)
                await asyncio.sleep(0.1)
        except OSError:
            pass

    async def rest(self) -> bytes:
        async with asyncio.timeout(LATEST_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@dataclass
class Standing:
    replica: Replica
    port: int

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1024)
        try:
            yield Peer(reader, writer)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def standing(limits: Limits = LIMITS) -> AsyncIterator[Standing]:
    replica = Replica()
    config = uvicorn.Config(
        replica, http=Guarded, ws="none", lifespan="off", log_config=None, server_header=False
    )
    server = DrainingServer(config, replica, 0, limits)  # type: ignore[arg-type]
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        try:
            yield Standing(replica, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serving


def problem(answer: bytes, status: int) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert b"\r\nconnection: close\r\n" in head
    found: dict[str, object] = json.loads(body)
    assert found["status"] == status
    return found


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
async def test_a_head_that_does_not_come_is_408(first: bytes) -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(first)
        assert "head" in str(problem(await peer.rest(), 408)["detail"])
        assert up.replica.cut_phases == ["head"]


@pytest.mark.parametrize("trickled", [b"\r\n", b"X"])
async def test_a_head_that_comes_by_the_byte_is_408(trickled: bytes) -> None:
    async with standing() as up, up.peer() as peer:
        trickling = asyncio.create_task(peer.trickle(trickled))
        answer = await peer.rest()
        # Bytes that were on their way when the connection was closed may turn the answer into a reset.
        assert answer == b"" or problem(answer, 408 if trickled != b"X" else 400)
        await trickling


async def test_a_second_head_has_its_limit_too() -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(HEAD % (b"", 0))
        assert await peer.reader.readuntil(b"\r\n\r\n0")
        await peer.send(b"GET / HT")
        problem(await peer.rest(), 408)


async def test_a_second_head_that_began_with_the_first_request_has_its_limit_too() -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(HEAD % (b"", 0) + b"GET / HT")
        assert await peer.reader.readuntil(b"\r\n\r\n0")
        problem(await peer.rest(), 408)
        assert up.replica.cut_phases == ["head"]


async def test_a_connection_whose_request_was_refused_before_its_body_came_is_idle() -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(HEAD % (b"refused", 2))
        assert await peer.reader.readuntil(b"\r\n\r\nno")
        await peer.send(b"{}")
        await asyncio.sleep(LIMITS.head_s + 1)
        await peer.send(HEAD % (b"", 2) + b"{}")
        assert await peer.reader.readuntil(b"\r\n\r\n2")
        assert up.replica.cut_phases == []


async def test_an_idle_connection_is_kept_for_the_next_request() -> None:
    async with standing() as up, up.peer() as peer:
        for _ in range(2):
            await peer.send(HEAD % (b"", 0))
            assert await peer.reader.readuntil(b"\r\n\r\n0")
            await asyncio.sleep(LIMITS.head_s + 1)
        assert up.replica.cut_phases == []


async def test_a_connection_that_stays_idle_is_closed_and_counted_as_nobodys_fault() -> None:
    async with standing(Limits(head_s=60, idle_s=1)) as up, up.peer() as peer:
        await peer.send(HEAD % (b"", 0))
        assert await peer.reader.readuntil(b"\r\n\r\n0")
        assert await peer.rest() == b""
        assert up.replica.cut_phases == []


async def test_a_body_that_does_not_end_is_408_and_its_handler_learns_it() -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(HEAD % (b"", 1000) + b"{")
        trickling = asyncio.create_task(peer.trickle(b" "))
        answer = await peer.rest()
        assert answer == b"" or problem(answer, 408)
        await trickling
        assert up.replica.cut_phases == ["body"]
        assert up.replica.gone == 1


async def test_a_body_below_the_least_rate_is_408_before_its_time() -> None:
    limits = Limits(body_s=3600, body_grace_s=0.5, body_bytes_per_s=1_000_000)
    async with standing(limits) as up, up.peer() as peer:
        await peer.send(HEAD % (b"", 10**8) + b"x" * 1000)
        problem(await peer.rest(), 408)
        assert up.replica.cut_phases == ["body"]


async def test_time_in_which_the_service_is_busy_is_its_own() -> None:
    async with standing() as up, up.peer() as peer:
        size = 4_000_000
        sending = asyncio.create_task(peer.send(HEAD % (b"busy", size) + b"x" * size))
        async with asyncio.timeout(LATEST_S):
            assert await peer.reader.readuntil(b"%d" % size)
        await sending
        assert up.replica.cut_phases == []


async def test_a_client_that_does_not_read_its_answer_is_cut() -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(HEAD % (b"large", 0))
        async with asyncio.timeout(LATEST_S):
            while not up.replica.cut_phases:  # noqa: ASYNC110  # a list is no event
                await asyncio.sleep(0.05)
        assert up.replica.cut_phases == ["answer"]
        assert len(await peer.rest()) < 30_000_000


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NOT HTTP\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000, 431),
    ],
)
async def test_what_is_no_request_is_refused_in_the_form_of_every_error(sent: bytes, status: int) -> None:
    async with standing() as up, up.peer() as peer:
        await peer.send(sent[:20])
        await asyncio.sleep(0.05)
        await peer.send(sent[20:])
        answer = await peer.rest()
        problem(answer, status)
        assert b"server:" not in answer.lower()
        assert b"x-content-type-options: nosniff" in answer


async def test_many_slow_clients_keep_nobody_else_from_being_served() -> None:
    async with standing() as up:
        slow = [await asyncio.open_connection("127.0.0.1", up.port) for _ in range(200)]
        for number, (_, writer) in enumerate(slow):
            writer.write(b"GET / HTTP/1.1\r\n" if number % 2 else HEAD % (b"", 10))
        async with up.peer() as peer:
            await peer.send(HEAD % (b"", 2) + b"{}")
            assert await peer.reader.readuntil(b"\r\n\r\n2")
        async with asyncio.timeout(LATEST_S):
            await asyncio.gather(*(reader.read() for reader, _ in slow))
        assert sorted(up.replica.cut_phases) == ["body"] * 100 + ["head"] * 100
        for _, writer in slow:
            writer.close()
