"""`python -m service`: one process, which ends with 0 after SIGTERM and every taken decision written.

When a task of it ends by a fault it drains as well and ends with 1, so that a whole one is started.
"""

import argparse
import asyncio
import logging
import signal
import socket
import sys
import time
import weakref
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service import app, http, log, settings
from service.errors import Problem, SettingsInvalid
from service.pace import Awaited, Limits, Pace, Phase

# The load balancer asks every second, believes the second failure, and keeps an address for 2 s more.
DRAIN_S = 5.0
# Requests that still run then: longer than the writer tries a batch.
FINISH_S = 12
# The writer gives up so much earlier, so that its 503 still leaves.
ANSWER_S = 2.0
# Connections and requests together; past it uvicorn answers 503 by itself.
MOST_AT_ONCE = 4096
# A request's head; httptools itself would take any length.
MOST_HEAD_BYTES = 64 * 1024
# Of uvicorn's ticks, ten a second: one in so many looks for slow clients.
LOOK_EVERY_TICKS = 5
# A loop that was held up itself charges it to nobody.
MOST_CHARGED_S = 1.0

logger = logging.getLogger("Service")


def main() -> int:
    options = _options()
    try:
        configured = settings.load()
    except SettingsInvalid as error:
        for problem in error.problems:
            print(f"service: {problem}", file=sys.stderr)  # noqa: T201  # before the log has its level
        return 2
    log.configure(configured.log_level)
    service = app.create(configured)
    limits = Limits(head_s=options.head_seconds, body_s=options.body_seconds, answer_s=options.answer_seconds)
    server = DrainingServer(_uvicorn_config(service, options), service, options.drain_seconds, limits)
    try:
        server.run()
    except SystemExit as stopped:
        # uvicorn's way to say that the lifespan did not start; the log says why.
        return 1 if stopped.code else 0
    return 0 if server.started and not service.failed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m service", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  # a container's own network
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drain-seconds", type=float, default=DRAIN_S)
    parser.add_argument("--head-seconds", type=float, default=Limits.head_s)
    parser.add_argument("--body-seconds", type=float, default=Limits.body_s)
    parser.add_argument("--answer-seconds", type=float, default=Limits.answer_s)
    return parser.parse_args()


def _uvicorn_config(service: app.Service, options: argparse.Namespace) -> uvicorn.Config:
    return uvicorn.Config(
        service.asgi,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=Guarded,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=FINISH_S,
        limit_concurrency=MOST_AT_ONCE,
    )


class DrainingServer(uvicorn.Server):
    """The first signal or a task that ended starts the drain, its end or a second signal the end."""

    def __init__(
        self, config: uvicorn.Config, service: app.Service, drain_s: float, limits: Limits | None = None
    ) -> None:
        super().__init__(config)
        self._limits = limits or Limits()
        self._looked_at = time.monotonic()
        self._service = service
        self._drain_s = drain_s
        self._ends_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            logger.info("serving", extra={"host": self.config.host, "port": self.config.port})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # its signature
        """Unlike uvicorn's own it does not raise the signal again in the end: a drained exit is 0."""
        # Nothing to drain yet, or told a second time.
        if not self.started or self._ends_at is not None:
            self.should_exit = True
        self._drain(signal.Signals(sig).name)

    def _drain(self, because: str) -> None:
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._drain_s
            self._service.drain()
            logger.info("draining", extra={"because": because, "seconds": self._drain_s})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.finish_within(FINISH_S - ANSWER_S)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if self._service.failed:
            self._drain("a task ended")
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        if counter % LOOK_EVERY_TICKS == 0:
            self._cut_slow_clients()
        return await super().on_tick(counter)

    def _cut_slow_clients(self) -> None:
        now = time.monotonic()
        passed_s, self._looked_at = min(now - self._looked_at, MOST_CHARGED_S), now
        for connection in list(self.server_state.connections):
            phase = cast("Guarded", connection).cut_if_slow(passed_s, self._limits)
            if phase is not None:
                self._service.cut(phase)
                logger.debug("slow client cut", extra={"phase": phase})


class Guarded(HttpToolsProtocol):
    """Refuses a request head that does not end, and closes on a client that is too slow; in our own form."""

    _came_bytes = 0
    _in_head = True
    # Between an answer and the first byte of the next request.
    _idle = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._pace = Pace()
        self._found = weakref.ref(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        self._idle = False
        self._came_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._came_bytes > MOST_HEAD_BYTES:
            self._refuse(Problem(431, "Head too large", f"a request's head may have {MOST_HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        self._in_head, self._came_bytes = True, 0
        super().on_message_begin()
        cast("Scope", self.scope)[http.CONNECTION] = self._found

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            # It was refused before its body came.
            self._idle = True

    def on_response_complete(self) -> None:
        """As uvicorn's, but without a timer for each request: how long a client is idle is looked at too."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        # Part of the next head may be here already.
        self._idle = not self._in_head

    def answer_at_once(self, scope: Scope, status: int, fields: bytes, body: bytes) -> bool:
        """See `http.Connection`. A client that is slow, gone, or to be closed on takes the longer way."""
        cycle = self.cycle
        if (
            # Of those that came in a row only the last one is known here.
            cycle.scope is not scope
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        always = http.lines(cycle.default_headers)
        whole = b"".join((STATUS_LINE[status], always, fields, b"\r\n", body))
        cast("OneWrite", self.transport).write_now(whole)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # its signature
        self._refuse(Problem(400, "Bad request", "this cannot be read as an HTTP request"))

    def cut_if_slow(self, passed_s: float, limits: Limits) -> Phase | None:
        """What the client took too long for, `passed_s` after the last call; then it is closed."""
        phase = self._waits_for()
        if phase is None or not self._pace.overdue(phase, self.cycle, self._came_bytes, passed_s, limits):
            return None
        if phase == "idle":
            # Nobody's fault.
            self.transport.close()
            return None
        if phase == "head" or (phase == "body" and not self.cycle.response_started):
            self._refuse(Problem(408, "Request too slow", f"the {phase} of the request took too long"))
        else:
            self.transport.abort()
        return phase

    def _waits_for(self) -> Awaited | None:
        """None while there is nothing to do, or the service is at it."""
        if self.transport.is_closing():
            return "close"
        if self.flow.write_paused:
            return "answer"
        if self.cycle is None or self.cycle.response_complete:
            return "idle" if self._idle else "head"
        return "body" if self.cycle.more_body and not self.flow.read_paused else None

    def _refuse(self, problem: Problem) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # Whoever works on it learns that there is nobody to answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(http.raw_problem(problem))
        self.transport.close()


class OneWrite:
    """A transport that sends what one turn of the loop writes at once: uvicorn writes head and body apart.

    Each of them is a call into the kernel and a packet, which together cost as much as to parse a trace.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        # Asked more than once a request, and `__getattr__` is slow.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def write_now(self, data: bytes) -> None:
        """What is whole need not be held, but stays behind what is."""
        self._held.append(data)
        self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._held.clear()
        self._transport.abort()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, []
            if self.is_closing():  # the client went away within this turn: uvloop would raise
                return
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))


if __name__ == "__main__":
    sys.exit(main())
