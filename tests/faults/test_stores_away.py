"""Each store is lost under traffic: what was acknowledged is stored once, what can go on goes on."""

import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import eventually
from tests.faults.conftest import Stack
from tests.faults.flood import Flood
from tests.faults.receiver import Receiver
from tests.faults.traffic import Traffic

AWAY_S = 60.0
RATE_PER_S = 500
RULE = "database-away"


@pytest.mark.full
def test_the_database_away_for_a_minute_loses_nothing_and_is_told_once(
    alerted: tuple[Stack, Receiver], capsys: pytest.CaptureFixture[str]
) -> None:
    stack, receiver = alerted
    run_id = f"away-{secrets.token_hex(3)}"
    with Flood(stack.http_port, ingest_key(stack), run_id, RATE_PER_S) as flood:
        eventually(lambda: len(flood.acknowledged) > 10 * RATE_PER_S, within_s=60, what="traffic before")
        killed = time.monotonic()
        with away(stack, "db"):
            eventually(lambda: bool(receiver.named(RULE, "firing")), within_s=75, what="the alert")
            eventually(lambda: time.monotonic() - killed > AWAY_S, within_s=AWAY_S + 1, what="a minute")
        eventually(lambda: bool(receiver.named(RULE, "resolved")), within_s=120, what="the all-clear")
    told_after_s = receiver.named(RULE, "firing")[0] - killed
    eventually(lambda: monitoring(stack)["spool"]["length"] == 0, within_s=180, what="the spool drained")
    stored = ids_of(stack, run_id)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the result
            f"\ndatabase away {AWAY_S:.0f} s: {flood.figures()}, {len(stored)} rows, "
            f"told after {told_after_s:.0f} s"
        )
    assert flood.acknowledged - set(stored) == set(), "acknowledged and lost"
    assert len(stored) == len(set(stored)), "stored twice"
    assert 202 in flood.answers.values()
    assert len(receiver.named(RULE, "firing")) == 1
    assert len(receiver.named(RULE, "resolved")) == 1
    assert told_after_s <= 15 + 60


@pytest.mark.full
@pytest.mark.parametrize("part", ["queue", "cache"])
def test_either_redis_away_fails_no_request(
    alerted: tuple[Stack, Receiver], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, _ = alerted
    run_id = f"{part}-{secrets.token_hex(3)}"
    with Traffic(stack.http_port, ingest_key(stack), run_id) as traffic:
        eventually(lambda: traffic.requests > 200, within_s=60, what="traffic before")
        with away(stack, part):
            before = traffic.requests
            eventually(lambda: traffic.requests > before + 1000, within_s=120, what="traffic without it")
        before = traffic.requests
        eventually(lambda: traffic.requests > before + 200, within_s=60, what="traffic after")
    with capsys.disabled():
        print(f"\n{part} away: {traffic.figures()}")  # noqa: T201 - the figures are the result
    assert traffic.failed == []
    assert set(ids_of(stack, run_id)) == set(traffic.stored)


@contextmanager
def away(stack: Stack, part: str) -> Iterator[None]:
    """Killed as a crash would; the engine leaves alone what was killed by hand."""
    name = f"amas-{stack.name}-{part}"
    subprocess.run(["docker", "kill", name], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "start", name], check=True, capture_output=True)


def ingest_key(stack: Stack) -> str:
    return stack.amas("keys", "show", "ingest").stdout.strip()


def monitoring(stack: Stack) -> Any:
    return httpx.get(f"{stack.url}/api/about/monitoring", timeout=10).json()


def ids_of(stack: Stack, run_id: str) -> list[str]:
    query = f"SELECT decision_id FROM decision_insights WHERE run_id = '{run_id}'"  # noqa: S608 - our own word
    return stack.amas("db", "psql", "--", "-Atc", query).stdout.split()
