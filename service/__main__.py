"""`python -m service`: one process, which ends with 0 after SIGTERM and every taken decision written."""

import argparse
import logging
import signal
import socket
import sys
import time
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service import app, log, settings
from service.errors import SettingsInvalid

# The load balancer asks every second, believes the second failure, and keeps an address for 2 s more.
DRAIN_S = 5.0
# Requests that still run then: longer than the writer tries a batch.
FINISH_S = 12
# The writer gives up so much earlier, so that its 503 still leaves.
ANSWER_S = 2.0
# Longer than the load balancer keeps an idle connection, so that it is the one to close.
KEEP_ALIVE_S = 75
# Connections and requests together; past it uvicorn answers 503 by itself.
MOST_AT_ONCE = 4096
# A request's head; httptools itself would take any length.
MOST_HEAD_BYTES = 64 * 1024

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
    server = DrainingServer(_uvicorn_config(service, options), service, options.drain_seconds)
    try:
        server.run()
    except SystemExit as stopped:
        # uvicorn's way to say that the lifespan did not start; the log says why.
        return 1 if stopped.code else 0
    return 0 if server.started and not service.writer.failed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m service", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104  # a container's own network
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drain-seconds", type=float, default=DRAIN_S)
    return parser.parse_args()


def _uvicorn_config(service: app.Service, options: argparse.Namespace) -> uvicorn.Config:
    return uvicorn.Config(
        service.asgi,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=BoundedHead,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
        limit_concurrency=MOST_AT_ONCE,
    )


class DrainingServer(uvicorn.Server):
    """The first signal or a writer that ended starts the drain, its end or a second signal the end."""

    def __init__(self, config: uvicorn.Config, service: app.Service, drain_s: float) -> None:
        super().__init__(config)
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
        if self._service.writer.failed:
            self._drain("the writer ended")
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)


class BoundedHead(HttpToolsProtocol):
    """Closes a connection whose request head does not end."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()


if __name__ == "__main__":
    sys.exit(main())
