"""A server on loopback that stores by id like the service, and fails as a network and a service can."""

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUSY_RETRY_AFTER_S = 3


class Fault(Enum):
    """What goes wrong with one request."""

    CLOSES_UNREAD = auto()
    CLOSES_AFTER_STORING = auto()
    ANSWERS_HALF = auto()
    # Keeps still until the client gives up.
    STALLS = auto()
    STALLS_AFTER_STORING = auto()
    BUSY = auto()
    THROTTLES = auto()
    FAILS = auto()
    # Stores and answers every second line only; a single trace is stored.
    ANSWERS_EVERY_SECOND = auto()


@dataclass(frozen=True)
class Canned:
    """An answer whatever was sent; nothing is stored."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


REFUSALS = {Fault.BUSY: 503, Fault.THROTTLES: 429, Fault.FAILS: 500}


@dataclass
class Flaky:
    """The next request meets the first of `faults`; with none left the server is well."""

    url: str = ""
    faults: deque[Fault | Canned] = field(default_factory=deque)
    stored: dict[str, Any] = field(default_factory=dict)
    # Statuses that a line with this id gets before it is stored.
    statuses: dict[str, deque[int]] = field(default_factory=dict)
    # The traces of each request that was read, in order, and where each went.
    requests: list[list[Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    connections: int = 0
    most_body_bytes: int = 0
    closes_after_answer: bool = False

    def store(self, trace: Any) -> dict[str, object]:
        """201, 200 or 409 as the service; or the status this id has coming."""
        decision_id = trace["decisionId"]
        if self.statuses.get(decision_id):
            status = self.statuses[decision_id].popleft()
            return {"status": status, "detail": f"line says {status}", "field": "userId"}
        known = self.stored.setdefault(decision_id, trace)
        if known != trace:
            return {"status": 409, "detail": "stored with other content"}
        state = "stored" if known is trace else "duplicate"
        status = 201 if known is trace else 200
        return {"status": status, "decisionId": decision_id, "state": state}

    def attempts(self) -> dict[str, list[Any]]:
        """Every form in which each id was ever sent."""
        seen: dict[str, list[Any]] = {}
        for trace in (trace for request in self.requests for trace in request):
            seen.setdefault(trace["decisionId"], []).append(trace)
        return seen


@contextlib.contextmanager
def serving() -> Iterator[Flaky]:
    """A server for the time of the block."""
    flaky = Flaky()
    handler = type("Handler", (_Handler,), {"flaky": flaky})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    flaky.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.001,))
    thread.start()
    try:
        yield flaky
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    flaky: Flaky
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.flaky.connections += 1

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        self.flaky.paths.append(self.path)
        self.flaky.keys.add(self.headers["Authorization"])
        fault = self.flaky.faults.popleft() if self.flaky.faults else None
        if fault is Fault.CLOSES_UNREAD:
            self.close_connection = True
            return
        many = self.headers["Content-Type"] == "application/x-ndjson"
        traces = self._read(many)
        if isinstance(fault, Canned):
            self._answer(fault.status, fault.body, fault.headers)
        elif fault is Fault.STALLS:
            self._stall()
        elif fault in REFUSALS:
            retry_after = {"Retry-After": str(BUSY_RETRY_AFTER_S)} if fault is Fault.BUSY else {}
            self._answer(REFUSALS[fault], b'{"detail":"not now"}', retry_after)
        else:
            self._take(traces, many, fault)

    def _read(self, many: bool) -> list[Any]:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.flaky.most_body_bytes = max(self.flaky.most_body_bytes, len(body))
        traces = [json.loads(line) for line in (body.split(b"\n") if many else [body])]
        self.flaky.requests.append(traces)
        return traces

    def _take(self, traces: list[Any], many: bool, fault: Fault | None) -> None:
        step = 2 if fault is Fault.ANSWERS_EVERY_SECOND else 1
        results = [self.flaky.store(trace) | {"line": n} for n, trace in enumerate(traces, 1)][::step]
        if fault is Fault.CLOSES_AFTER_STORING:
            self.close_connection = True
        elif fault is Fault.STALLS_AFTER_STORING:
            self._stall()
        else:
            status = 200 if many else int(str(results[0]["status"]))
            answer = {"results": results} if many else results[0]
            self._answer(status, json.dumps(answer).encode(), half=fault is Fault.ANSWERS_HALF)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, half: bool = False
    ) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)
        # Closed without a word, as an idle connection is.
        self.close_connection = half or self.flaky.closes_after_answer

    def _stall(self) -> None:
        """Ends when the client has closed its side: no time passes here."""
        self.connection.settimeout(5)
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
