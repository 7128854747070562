"""When the process ends, and how."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

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


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_nothing_waits_for_the_next_request_of_a_connection_that_was_reset() -> None:
    config = uvicorn.Config(answers, http=Guarded, lifespan="off", timeout_keep_alive=60, log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    made: list[Guarded] = []

    def connection() -> Guarded:
        made.append(Guarded(config=config, server_state=state, app_state={}))
        return made[-1]

    async with await loop.create_server(connection, "127.0.0.1", 0) as listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        waits = made[0].timeout_keep_alive_task
        assert waits
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        writer.close()
        async with asyncio.timeout(5):
            while state.connections:  # noqa: ASYNC110  # nothing tells that one is gone
                await asyncio.sleep(0.01)
        assert waits.cancelled()


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
