"""When the process ends, and how."""

import socket
from dataclasses import dataclass

import pytest
import uvicorn

from service.__main__ import ANSWER_S, FINISH_S, DrainingServer
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
