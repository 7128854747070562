"""The service's own way in, from the request to the parser and the writer, over rows in memory."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from runbook.traffic.patience import Patience
from service.http import Edge
from service.insights.decision import Decision, with_time
from service.insights.ingest import Ingest
from service.insights.intake import Intake
from service.insights.queue import WriteQueue
from service.insights.spooler import Spooler
from service.insights.testing import MemoryStore
from service.insights.testing_spool import MemorySpool
from service.insights.writer import Timing, Writer

NOW = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
RETENTION = timedelta(days=1)


class Ignore:
    """Counts nothing."""

    def refused(self, reason: str) -> None: ...

    def wrote(self, outcome: object, waited_s: object) -> None: ...

    def buried(self) -> None: ...

    def retried(self) -> None: ...

    def spooled(self, count: int) -> None: ...

    def spool_failed(self) -> None: ...


class Twin(httpx.AsyncBaseTransport):
    """A service whose faults a test plants; each of them is off."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.lost: set[str] = set()
        self.altered: set[str] = set()
        self.unlisted: set[str] = set()
        self.forgetful = False
        self.busy = 0
        self.broken = 0
        self.down_after: int | None = None
        self.reads_until: int | None = None
        self.requests: list[httpx.Request] = []
        self.most_at_a_time = 0
        self._at_a_time = 0
        self._ingest: httpx.ASGITransport | None = None
        self._writing: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self._at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        try:
            await asyncio.sleep(0)
            return await self._faulty(request)
        finally:
            self._at_a_time -= 1

    async def aclose(self) -> None:
        if self._writing:
            self._writing.cancel()

    async def _faulty(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return self._lasting(request)
        if self.down_after is not None and len(self.requests) > self.down_after:
            raise httpx.ConnectError("connection refused")
        if self.busy:
            self.busy -= 1
            return httpx.Response(503, headers={"Retry-After": "2"})
        answer = await self._started().handle_async_request(request)
        if self.broken:
            self.broken -= 1
            raise httpx.ReadError("the connection broke after the commit")
        return await _forgetting(answer) if self.forgetful else answer

    def _started(self) -> httpx.ASGITransport:
        """The writer lives in the loop of the first request."""
        if self._ingest is None:
            queue = WriteQueue(5000, time.monotonic)
            spooler = Spooler(MemorySpool(), Ignore(), time.monotonic, lambda: NOW, 5000)
            timing = Timing(time.monotonic, lambda: 0.5)
            writer = Writer(queue, self.store, spooler.spill, Ignore(), timing, 500)
            self._writing = asyncio.create_task(writer.run())
            intake = Intake(queue, spooler, Ignore(), lambda: NOW, RETENTION)
            self._ingest = httpx.ASGITransport(Edge(Ingest(intake, lambda _key: None)))
        return self._ingest

    def _lasting(self, request: httpx.Request) -> httpx.Response:
        if self.reads_until is not None:
            self.reads_until -= 1
            if self.reads_until < 0:
                raise httpx.ConnectError("connection refused")
        return self._read(request)

    def _read(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.split("/")[2:]:
            case "GET", ["insights", decision_id]:
                return self._insight(decision_id)
            case "GET", ["insights"]:
                return self._list(request.url.params)
            case "GET", ["runs", run_id]:
                return httpx.Response(200, json={"runId": run_id, "stored": len(self._of(run_id))})
            case "DELETE", ["runs", run_id]:
                gone = self._of(run_id)
                for decision_id in gone:
                    del self.store.rows[decision_id]
                return httpx.Response(200, json={"runId": run_id, "deleted": len(gone)})
        return httpx.Response(404)

    def _of(self, run_id: str) -> list[str]:
        rows = self.store.rows.items()
        return [name for name, row in rows if row.run_id == run_id and name not in self.lost]

    def _insight(self, decision_id: str) -> httpx.Response:
        found = with_time(decision_id)
        row = self.store.rows.get(found[0]) if found else None
        if row is None or decision_id in self.lost:
            return httpx.Response(404, json={})
        change = {"action": "changed"} if decision_id in self.altered else {}
        return httpx.Response(200, json=insight(row) | change)

    def _list(self, parameters: httpx.QueryParams) -> httpx.Response:
        """Pages of seven, however many are asked for."""
        mine = [one for one in self.store.rows.values() if one.user_id == parameters["userId"]]
        at = int(parameters.get("cursor", 0))
        shown = [one.decision_id for one in mine if one.decision_id not in self.lost | self.unlisted]
        items = [self._insight(decision_id).json() for decision_id in shown[at : at + 7]]
        return httpx.Response(
            200, json={"items": items, "nextCursor": str(at + 7) if shown[at + 7 :] else None}
        )


async def _forgetting(answer: httpx.Response) -> httpx.Response:
    """Conflicts become duplicates."""
    body = (await answer.aread()).replace(b'"status":409', b'"status":200')
    return httpx.Response(200 if answer.status_code == 409 else answer.status_code, content=body)


def insight(row: Decision) -> dict[str, Any]:
    """A row as the view answers it."""
    extra: dict[str, Any] = json.loads(bytes(row.extra))
    return extra | {
        "decisionId": row.decision_id,
        "userId": row.user_id,
        "occurredAt": f"{row.occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "createdAt": f"{row.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "action": row.action,
        "durationMs": row.duration_ms,
        "stateSnapshot": json.loads(bytes(row.state_snapshot)),
        "difficultyFactors": json.loads(bytes(row.difficulty_factors)),
        "triggers": json.loads(bytes(row.triggers)),
    }


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def retention() -> timedelta:
    return RETENTION


@pytest.fixture
def twin() -> Twin:
    return Twin()


@pytest.fixture
def at_once() -> Patience:
    """Patience without waiting; it notes how long it would have."""
    return Patience(attempts=4, sleep=Slept(), chance=lambda: 0.5)


class Slept:
    """Takes no time."""

    def __init__(self) -> None:
        self.pauses_s: list[float] = []

    async def __call__(self, pause_s: float) -> None:
        self.pauses_s.append(pause_s)
