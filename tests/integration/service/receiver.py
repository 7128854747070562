"""A receiver of webhooks on the loopback."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came, in the order it came; answers `status`."""

    port: int = 0
    status: int = 200
    came: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    heartbeats: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/secret-path"

    @property
    def environ(self) -> dict[str, str]:
        return {"ALERT_WEBHOOK_URL": self.url, "ALERT_WEBHOOK_ALLOWED_HOSTS": f"127.0.0.1:{self.port}"}

    def told(self, status: str) -> list[str]:
        """The rules it was told of, once for each time."""
        return [
            alert["labels"]["alertname"]
            for _, body in list(self.came)
            for alert in body["alerts"]
            if alert["status"] == status
        ]

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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.status == 200:
                receiver.came.append((time.monotonic(), json.loads(body)))
            self._answer()

        def do_GET(self) -> None:
            receiver.heartbeats += 1
            self._answer()

        def _answer(self) -> None:
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
