"""A service that misbehaves as told: it stalls, fails, dies for a while, loses what it acknowledged."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OBJECTIVES = [
    {
        "id": row_id,
        "name": name,
        "value": None,
        "unit": unit,
        "operator": operator,
        "target": target,
        "alertThreshold": alert,
        "window": "5m",
        "state": "no_data",
        "budgetLeft": None,
        "samples": 0,
    }
    for row_id, name, unit, operator, target, alert in (
        ("throughput", "Throughput", "req/s", ">", 1000, 800),
        ("latency_p95", "P95 latency", "ms", "<", 200, 250),
        ("latency_p99", "P99 latency", "ms", "<", 500, 600),
        ("error_rate", "Error rate", "percent", "<", 1, 2),
        ("monitoring_overhead", "Monitoring overhead", "ms", "<", 100, 150),
        ("cache_hit_rate", "Cache hit rate", "percent", ">", 80, 60),
    )
]
ALERT = {
    "id": "alert-1",
    "metric": "queue.size",
    "status": "firing",
    "severity": "high",
    "occurredAt": "2999-01-01T00:00:00.000Z",
    "message": "too many wait",
}


@dataclass
class Stub:
    """What it does wrong, and what it has seen. Times are seconds since the first decision or read."""

    environment: str = "development"
    stall: tuple[float, float] | None = None
    dead: tuple[float, float] | None = None
    fail_every: int = 0
    unannounced: bool = False
    lose_every: int = 0
    alert_after_s: float | None = None
    keeps_rows: bool = False
    refuses_purge: bool = False
    url: str = ""
    stored: dict[str, set[str]] = field(default_factory=dict)
    purged: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    _loads: int = 0
    _first: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def loaded(self) -> tuple[int, float]:
        with self._lock:
            self._first = self._first or time.monotonic()
            self._loads += 1
            return self._loads, time.monotonic() - self._first

    def alerts(self) -> list[dict[str, Any]]:
        begun = self._first is not None and self.alert_after_s is not None
        return [ALERT] if begun and time.monotonic() - (self._first or 0) > (self.alert_after_s or 0) else []

    def store(self, run_id: str, number: int, body: bytes) -> int:
        with self._lock:
            rows = self.stored.setdefault(run_id, set())
            ids = [json.loads(line)["decisionId"] for line in body.splitlines()]
            lost = self.lose_every and number % self.lose_every == 0
            rows.update(ids[1:] if lost else ids)
            return len(ids)

    @contextmanager
    def standing(self) -> Iterator["Stub"]:
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": self}))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.stub.seen.append(("GET", path))
        if path.startswith("/api/runs/"):
            rows = self.stub.stored.get(path.rpartition("/")[2], set())
            self._answer(200, {"stored": len(rows)})
        elif path.startswith("/api/insights/"):
            self._under_load(200)
        else:
            self._answer(200, _told(self.stub, path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._under_load(201, body)

    def do_DELETE(self) -> None:
        self.stub.seen.append(("DELETE", self.path))
        if self.path == "/api/cache/insights":
            self._answer(204, None)
            return
        if self.stub.refuses_purge:
            self._answer(503, {"title": "busy"})
            return
        run_id = self.path.rpartition("/")[2]
        gone = len(self.stub.stored.get(run_id, ()))
        self.stub.purged += gone
        if not self.stub.keeps_rows:
            self.stub.stored.pop(run_id, None)
        self._answer(200, {"deleted": gone})

    def _under_load(self, good: int, body: bytes | None = None) -> None:
        number, at_s = self.stub.loaded()
        if self.stub.dead and self.stub.dead[0] <= at_s < self.stub.dead[1]:
            self.close_connection = True
            return
        if self.stub.stall and self.stub.stall[0] <= at_s < self.stub.stall[1]:
            time.sleep(self.stub.stall[1] - at_s)
        if self.stub.fail_every and number % self.stub.fail_every == 0:
            headers = {} if self.stub.unannounced else {"Retry-After": "1"}
            self._answer(500 if self.stub.unannounced else 503, {"title": "busy"}, headers)
            return
        if body is None:
            self._answer(good, {}, {"X-Cache": "hit"})
            return
        count = self.stub.store(self.headers["X-Amas-Run-Id"], number, body)
        many = {"stored": count, "duplicate": 0, "spooled": 0, "refused": 0}
        lines = "ndjson" in self.headers["Content-Type"]
        self._answer(200 if lines else good, many if lines else {"state": "stored"})

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _told(stub: Stub, path: str) -> object:
    return {
        "/api/about/monitoring": {
            "environment": stub.environment,
            "collector": {"intervalMs": 30_000},
            "replicas": [{"ageSeconds": 12.0}, {"ageSeconds": 75.0}],
        },
        "/api/about/slo": {"at": "2026-01-01T00:00:00.000Z", "rows": OBJECTIVES},
        "/api/about/values": {"values": {"queue.size": {"value": 3, "samples": 1}}},
        "/api/alerts/active": stub.alerts(),
        "/api/alerts/history": stub.alerts(),
    }.get(path, {})
