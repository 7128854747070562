"""Every panel of every board, asked of the real Prometheus of a stack with a little traffic."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dashboards.__main__ import BOARDS
from dashboards.asking import Prometheus, Span
from dashboards.board import Board
from dashboards.picture import drawn
from tests.e2e.conftest import Stack, eventually

RUN = "e2e-boards"
# What a stack a day old has, and one that has just come up does not: a backup, its proof, a load test.
RECORDED = Path(__file__).with_name("recorded_runs.sql").read_text()
FORGOTTEN = Path(__file__).with_name("forgotten_runs.sql").read_text()


@pytest.fixture(scope="module")
def prometheus(stack: Stack) -> Iterator[Prometheus]:
    asked = Prometheus(f"http://127.0.0.1:{stack.prometheus_port}")
    yield asked
    asked.close()


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Iterator[httpx.Client]:
    """A client that may write; what it wrote and what is on record is taken away in the end."""
    stack.amas("db", "psql", "--", "-c", RECORDED)
    key, admin = (stack.amas("keys", "show", scope).stdout.strip() for scope in ("ingest", "admin"))
    headers = {"Authorization": f"Bearer {key}", "X-Amas-Run-Id": RUN}
    with httpx.Client(base_url=stack.url, headers=headers) as client:
        yield client
        gone = client.delete(f"/api/runs/{RUN}", headers={"Authorization": f"Bearer {admin}"})
    stack.amas("db", "psql", "--", "-c", FORGOTTEN)
    assert gone.is_success


def visit(client: httpx.Client) -> None:
    """A decision written, read from the database, from the cache, and in a list."""
    decision = {
        "decisionId": f"{RUN}-{uuid.uuid4()}",
        "userId": RUN,
        "occurredAt": datetime.now(UTC).strftime("%FT%TZ"),
        "action": "show-word",
        "durationMs": 1,
    }
    client.post("/api/decisions", json=decision).raise_for_status()
    for _ in range(2):
        client.get(f"/api/insights/{decision['decisionId']}").raise_for_status()
    client.get("/api/insights", params={"userId": RUN}).raise_for_status()


def without_data(board: Board, prometheus: Prometheus) -> list[str]:
    span = recent()
    return [
        f"{board.uid}: {panel.title}"
        for panel in board.panels()
        for query in panel.queries
        if not any(series.points for series in prometheus.query(query, span, is_instant=panel.is_fact))
    ]


def recent() -> Span:
    now = time.time()
    return Span(now - 120, now, 15)


def test_every_query_of_every_panel_returns_data(visitor: httpx.Client, prometheus: Prometheus) -> None:
    assert visited_until_all_return(visitor, prometheus) == set()


def visited_until_all_return(visitor: httpx.Client, prometheus: Prometheus) -> set[str]:
    """Panels that stay empty. The traffic goes on until every series was scraped."""
    missing: set[str] = set()

    def all_return() -> bool:
        visit(visitor)
        missing.clear()
        missing.update(one for board in BOARDS for one in without_data(board, prometheus))
        return not missing

    with contextlib.suppress(pytest.fail.Exception):
        eventually(all_return, within_s=90, what="data in every panel")
    return missing


def test_a_picture_of_each_board_shows_values(visitor: httpx.Client, prometheus: Prometheus) -> None:
    assert visited_until_all_return(visitor, prometheus) == set()
    for board in BOARDS:
        picture = drawn(board, prometheus, recent())
        assert "no data" not in picture, board.uid
