"""A receiver of alerts on this host, on an address that containers reach; it can be told to refuse."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSES = 500


@dataclass
class Receiver:
    """What came, as rule and state."""

    host: str
    refuses: bool = False
    refused: int = 0
    came: set[tuple[str, str]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{self.host}/alerts"

    def told(self, rule: str, state: str) -> bool:
        return (rule, state) in self.came


@contextmanager
def receiving(address: str) -> Iterator[Receiver]:
    """Listens on that address of this host alone, on a free port."""

    class Kept(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if receiver.refuses:
                receiver.refused += 1
            else:
                receiver.came |= {
                    (one["labels"]["alertname"], one["status"]) for one in body.get("alerts", [])
                }
            self.send_response(REFUSES if receiver.refuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Kept)
    receiver = Receiver(f"{address}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
