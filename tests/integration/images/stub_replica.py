"""Stands in for a replica of the service: runs inside a container, says what it received."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Replica(BaseHTTPRequestHandler):
    """`AMAS_STUB=drop` cuts the connection of every POST instead of answering; `late`: of its check."""

    protocol_version = "HTTP/1.1"
    # An answer goes out in one write, as the service's does: who is killed has sent all of it or nothing.
    wbufsize = -1

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(2)
        if self.path == "/ready" and os.environ.get("AMAS_STUB") == "late":
            time.sleep(3)
        self.tell(0)

    def do_POST(self) -> None:
        left = length = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        if os.environ.get("AMAS_STUB") == "drop":
            self.close_connection = True
            return
        self.tell(length)

    def tell(self, body_bytes: int) -> None:
        name = os.environ["HOSTNAME"]
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = json.dumps({"name": name, "bodyBytes": body_bytes, "headers": headers}).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("", 8000), Replica).serve_forever()
