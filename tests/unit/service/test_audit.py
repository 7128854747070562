"""What an admin does is recorded, whatever becomes of the database meanwhile."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from service import http
from service.admin import audit
from service.admin.audit import Audited, Entry, Trail, entry_of
from service.errors import StoreRefused, StoreUnavailable

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Table:
    """Rows by their id; `failures` are raised by the next writes, one each."""

    rows_: dict[object, Mapping[str, object]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        assert query == "add_audit_entry"
        if self.failures:
            raise self.failures.pop(0)
        self.rows_[parameters["entry_id"]] = parameters
        return []


@dataclass
class Lost:
    count: int = 0

    def inc(self) -> None:
        self.count += 1


def entry(number: int = 1) -> Entry:
    return Entry(str(number), NOW, "DELETE /api/runs/{runId}", "r1", "admin:0a1b2c3d", "id-1", 200)


def scope(**more: object) -> Scope:
    return {"type": "http", "method": "DELETE", "path": "/api/x", http.REQUEST_ID: "id-1"} | more


async def written(table: Table, trail: Trail, count: int) -> None:
    task = asyncio.create_task(trail.keep())
    async with asyncio.timeout(5):
        while len(table.rows_) < count:  # noqa: ASYNC110  # the table is no event
            await asyncio.sleep(0)
    task.cancel()


async def test_an_entry_is_logged_at_once_and_written_soon(caplog: pytest.LogCaptureFixture) -> None:
    table = Table()
    trail = Trail(table, Lost())
    trail.note(entry())
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("Audit", logging.INFO)
    assert vars(record) | {"by": "admin:0a1b2c3d", "requestId": "id-1", "result": 200} == vars(record)
    assert table.rows_ == {}
    await written(table, trail, 1)
    assert table.rows_["1"]["action"] == "DELETE /api/runs/{runId}"


async def test_the_log_line_is_there_whatever_level_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert logging.getLogger("Audit").isEnabledFor(logging.INFO)


async def test_entries_wait_in_order_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "RETRY_S", (0.0,))
    table, lost = (
        Table(failures=[StoreUnavailable("gone"), RuntimeError("odd"), StoreUnavailable("gone")]),
        Lost(),
    )
    trail = Trail(table, lost)
    for number in range(5):
        trail.note(entry(number))
    await written(table, trail, 5)
    assert list(table.rows_) == ["0", "1", "2", "3", "4"]
    assert lost.count == 0


async def test_past_its_room_an_entry_is_counted_and_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = Lost()
    trail = Trail(Table(), lost, most_waiting=2)
    for number in range(3):
        trail.note(entry(number))
    assert lost.count == 1
    assert caplog.text.count("stands in the log alone") == 1
    assert caplog.text.count("admin action") == 3


async def test_an_entry_the_database_refuses_does_not_hold_up_the_next() -> None:
    table, lost = Table(failures=[StoreRefused("22021", "bad byte")]), Lost()
    trail = Trail(table, lost)
    trail.note(entry(1))
    trail.note(entry(2))
    await written(table, trail, 1)
    assert list(table.rows_) == ["2"]
    assert lost.count == 1


async def test_the_end_writes_what_waits_or_counts_it() -> None:
    table, lost = Table(), Lost()
    trail = Trail(table, lost)
    trail.note(entry(1))
    await trail.finish(1)
    assert list(table.rows_) == ["1"]
    table.failures.append(StoreUnavailable("gone"))
    trail.note(entry(2))
    await trail.finish(1)
    assert lost.count == 1


async def noted(app_scope: Scope, status: int | None) -> list[Entry]:
    found: list[Entry] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if status is None:
            raise RuntimeError
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    try:
        await Audited(app, found.append, lambda: NOW)(app_scope, receive, send)
    except RuntimeError:
        assert status is None
    return found


@pytest.mark.parametrize(("status", "result"), [(204, 204), (409, 409), (None, 500)])
async def test_what_an_admin_key_was_demanded_for_is_noted_with_its_result(
    status: int | None, result: int
) -> None:
    (one,) = await noted(scope(**{http.ADMIN: "admin:0a1b2c3d"}), status)
    assert (one.result, one.by, one.request_id, one.at) == (result, "admin:0a1b2c3d", "id-1", NOW)


async def test_nothing_else_is_noted() -> None:
    assert await noted(scope(), 200) == []
    assert await noted(scope(**{http.ADMIN: "admin:0a1b2c3d", "method": "GET"}), 200) == []


@pytest.mark.parametrize(
    ("facts", "target"),
    [
        ({"path_params": {"decisionId": "order:1"}}, "order:1"),
        ({"path_params": {}, "query_string": b"id=1&id=2&token=secret"}, "1, 2"),
        ({"query_string": b"all=true"}, "all=true"),
        ({http.TARGET: "s1", "query_string": b"id=1"}, "s1"),
        ({"path_params": {"name": "a\0b\ud800\n"}}, "a\ufffdb\ufffd\ufffd"),
        ({}, ""),
    ],
)
def test_the_target_is_what_path_or_query_name(facts: dict[str, object], target: str) -> None:
    assert entry_of(scope(**{http.ADMIN: "a"}, **facts), 200, NOW).target == target


@given(st.text(), st.binary())
def test_a_target_is_always_one_line_the_database_takes(name: str, query: bytes) -> None:
    for facts in ({"path_params": {"name": name}}, {"query_string": query}):
        target = entry_of(scope(**{http.ADMIN: "a"}, **facts), 200, NOW).target
        assert target.isprintable()
        assert len(target) <= audit.MOST_TARGET
