"""A receiver of webhooks and heartbeats on the loopback."""

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came, in the order it came; answers `status`, and 429 to a message sooner than `apart_s`."""

    port: int = 0
    status: int = 200
    apart_s: float = 0.0
    came: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    # Each message with what it was answered; and how long it asked the sender of the last one to wait.
    answered: list[tuple[float, int]] = field(default_factory=list)
    asked_to_wait_until: float = 0.0
    heartbeat_status: int = 200
    heartbeats: list[float] = field(default_factory=list)
    too_soon: int = 0
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/secret-path"

    @property
    def environ(self) -> dict[str, str]:
        return {"ALERT_WEBHOOK_URL": self.url, "ALERT_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{self.port}"}

    @property
    def heartbeat_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/beat/secret-path"

    def open(self) -> None:
        """On the port it had before, if it had one."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """From now on connections are refused."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def take(self, body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        now = time.monotonic()
        self.too_soon += now < self.asked_to_wait_until
        status, headers = self.status, dict[str, str]()
        if status == 200 and self.came and now - self.came[-1][0] < self.apart_s:
            wait_s = math.ceil(self.came[-1][0] + self.apart_s - now)
            self.asked_to_wait_until = now + wait_s
            status, headers = 429, {"Retry-After": str(wait_s)}
        if status == 200:
            self.came.append((now, body))
        self.answered.append((now, status))
        return status, headers

    def told(self, status: str) -> list[str]:
        """The rules it was told of, once for each time."""
        return [
            alert["labels"]["alertname"]
            for _, body in list(self.came)
            for alert in body["alerts"]
            if alert["status"] == status
        ]

    def times_told(self) -> Counter[tuple[str, str]]:
        """How often each firing and each end of one was told, by the alert's id and its status."""
        return Counter(named for _, body in list(self.came) for named in _named(body))

    def knows(self) -> set[tuple[str, str]]:
        """The same, each once; an end says by its note that it tells of the firing too."""
        alerts = [alert for _, body in list(self.came) for alert in body["alerts"]]
        both = {(one["annotations"]["alertId"], "firing") for one in alerts if "note" in one["annotations"]}
        return both | set(self.times_told())

    def repeated(self) -> list[list[tuple[str, str]]]:
        """What each message that came more than once named."""
        messages = Counter(tuple(_named(body)) for _, body in list(self.came))
        return [list(named) for named, times in messages.items() if times > 1]

    def first_told(self, status: str) -> dict[str, float]:
        """When each rule was named first."""
        named: dict[str, float] = {}
        for at, body in list(self.came):
            for alert in body["alerts"]:
                if alert["status"] == status:
                    named.setdefault(alert["labels"]["alertname"], at)
        return named

    def answered_with(self, status: int) -> int:
        return sum(one == status for _, one in list(self.answered))

    def most_in(self, window_s: float) -> int:
        """The most messages that came within any such time, those that were not taken included."""
        at = [one for one, _ in self.answered]
        return max((sum(one <= other < one + window_s for other in at) for one in at), default=0)

    def until_told(self, status: str, rule_id: str, within_s: float) -> float:
        """When it was told; fails after `within_s`."""
        deadline = time.monotonic() + within_s
        while rule_id not in self.told(status):
            assert time.monotonic() < deadline, (status, rule_id, self.came)
            time.sleep(0.05)
        return time.monotonic()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.open()
    try:
        yield receiver
    finally:
        receiver.close()


def _named(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(alert["annotations"]["alertId"], alert["status"]) for alert in body["alerts"]]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(*receiver.take(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def do_GET(self) -> None:
            receiver.heartbeats.append(time.monotonic())
            self._answer(receiver.heartbeat_status, {})

        def _answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
