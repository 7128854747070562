"""Steady traffic through the load balancer by a client that never tries again: every failure is seen."""

import http.client
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

WORKERS = 5
EVERY_S = 0.2  # by each worker, a write and a read: 50 requests a second together


@dataclass
class Traffic:
    """Runs while the block does. `key` may be changed meanwhile; `stored` are the ids acknowledged."""

    port: int
    key: str
    run_id: str
    stored: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workers: list[threading.Thread] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Self:
        self._workers = [threading.Thread(target=self._work, args=(n,)) for n in range(WORKERS)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for worker in self._workers:
            worker.join()
        self.seconds = time.monotonic() - self._started

    def figures(self) -> str:
        return (
            f"{self.requests} requests in {self.seconds:.0f} s, {len(self.failed)} failed, "
            f"{len(self.stored)} stored, slowest {self.slowest[0]:.2f} s ({self.slowest[1]})"
        )

    def _work(self, worker: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        earlier: list[str] = []
        number = 0
        while not self._over.wait(EVERY_S):
            number += 1
            decision_id = f"{self.run_id}-{worker}-{number}" if number % 2 else str(uuid7())
            if self._ask(connection, "POST", "/api/decisions", self._trace(decision_id)) in {200, 201}:
                earlier.append(decision_id)
                with self._lock:
                    self.stored.append(decision_id)
            # Mostly one that is cached by now, now and then one that is not.
            if earlier:
                read = earlier[-1] if number % 3 else earlier[number // 2 % len(earlier)]
                self._ask(connection, "GET", f"/api/insights/{read}", None)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: str | None) -> int:
        headers = {"Content-Type": "application/json", "X-Amas-Run-Id": self.run_id}
        headers |= {"Authorization": f"Bearer {self.key}"} if body else {}
        started = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said, status = answer.read().decode(), answer.status
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            said, status = repr(error), 0
        with self._lock:
            self.requests += 1
            took = (time.monotonic() - started, f"{method} at {datetime.now(UTC):%H:%M:%S}")
            self.slowest = max(self.slowest, took)
            if not 200 <= status < 300:
                self.failed.append(f"{datetime.now(UTC):%H:%M:%S} {method} {path}: {status} {said[:300]}")
        return status

    def _trace(self, decision_id: str) -> str:
        occurred_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        trace = {"decisionId": decision_id, "userId": "u", "occurredAt": occurred_at, "action": "show"}
        return json.dumps({**trace, "durationMs": 1})


def uuid7() -> uuid.UUID:
    milliseconds = time.time_ns() // 1_000_000
    random_bits = uuid.uuid4().int & ((1 << 74) - 1)
    high, low = random_bits >> 62, random_bits & ((1 << 62) - 1)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
