"""Somebody who gets the notifications: a server on the bridge of a stack, reachable from its containers."""

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
    """Keeps what came with the moment it came; `status` and `headers` are what it answers."""

    url: str
    host: str
    came: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def named(self, rule: str, status: str) -> list[float]:
        """When a generic notification named an alert of that rule in that state."""
        return [
            at
            for at, body in self.came
            for alert in body.get("alerts", [])
            if alert["labels"]["alertname"] == rule and alert["status"] == status
        ]


@contextmanager
def receiving(address: str) -> Iterator[Receiver]:
    """Listens on that address of this host alone, on a free port."""

    class Kept(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if receiver.status < 300:
                receiver.came.append((time.monotonic(), body))
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Kept)
    host = f"{address}:{server.server_port}"
    receiver = Receiver(f"http://{host}/alerts", host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
