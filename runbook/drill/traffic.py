"""Steady posts by clients that never try again, each id kept with its answer: what is lost shows."""

import http.client
import json
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from runbook.api import RUN_HEADER
from runbook.traffic.ids import milliseconds, uuid7

WORKERS = 8
ANSWER_WITHIN_S = 15.0


@dataclass
class Traffic:
    """Posts while the block runs."""

    url: str
    key: str
    run_id: str
    rate_per_s: float
    answers: dict[str, int] = field(default_factory=dict)
    newest: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workers: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._workers = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for worker in self._workers:
            worker.join()

    def last(self, count: int) -> list[int]:
        """The newest answers, so many of them."""
        with self._lock:
            return self.newest[-count:]

    def _work(self, number: int) -> None:
        where = urlsplit(self.url)
        rng = random.Random(f"{self.run_id}-{number}")  # noqa: S311 - ids, not secrets
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=ANSWER_WITHIN_S)
        while not self._over.wait(WORKERS / self.rate_per_s):
            now = datetime.now(UTC)
            decision_id = uuid7(rng, milliseconds(now))
            status = self._post(connection, decision_id, now)
            with self._lock:
                self.answers[decision_id] = status
                self.newest.append(status)
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, decision_id: str, now: datetime) -> int:
        """0 when there was no whole answer."""
        trace = {
            "decisionId": decision_id,
            "userId": "drill",
            "occurredAt": now.isoformat().replace("+00:00", "Z"),
            "action": "show",
            "durationMs": 1,
        }
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.key}",
            RUN_HEADER: self.run_id,
        }
        try:
            connection.request("POST", "/api/decisions", json.dumps(trace), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0
        return answer.status
