"""The heartbeat on a real clock: one replica sends it, every minute, and its silence means something."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from service.alerts.heartbeat import EVERY_S
from tests.integration.service.conftest import Cache, Database
from tests.integration.service.receiver import receiving
from tests.integration.service.replicas import RULE, leads, rules, settings, started, until
from tests.integration.service.standing import environ, process

pytestmark = pytest.mark.anyio

# A beat is looked for once a second, and the machine may be busy.
LATE_S = 5.0
MOST_AGE_S = 75


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def late_rule(folder: Path) -> str:
    text = RULE.format(
        id="heartbeat-late",
        metric="heartbeat.age_s",
        threshold=MOST_AGE_S,
        operator=">",
        duration=0,
        severity="medium",
    )
    return rules(folder, text)


async def test_one_replica_beats_and_another_goes_on_when_it_is_killed(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with receiving() as receiver, contextlib.ExitStack() as stack:
        changed = settings(queue, receiver, late_rule(tmp_path), HEARTBEAT_URL=receiver.heartbeat_url)
        two = started(stack, 2, environ(database, cache, **changed), tmp_path)
        await until(lambda: len(receiver.heartbeats) == 1)
        (leader,) = [one for one in two if leads(one.url)]
        leader.process.kill()
        await until(lambda: len(receiver.heartbeats) == 2)
        (other,) = [one for one in two if leads(one.url)]
        assert "secret-path" not in leader.log.read_text() + other.log.read_text()


@pytest.mark.full
async def test_it_beats_each_minute_and_tells_when_nobody_takes_it(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with receiving() as receiver:
        changed = settings(queue, receiver, late_rule(tmp_path), HEARTBEAT_URL=receiver.heartbeat_url)
        with process(environ(database, cache, **changed), tmp_path):
            await until(lambda: len(receiver.heartbeats) == 2, EVERY_S + 30)
            first, second = receiver.heartbeats
            assert EVERY_S <= second - first <= EVERY_S + LATE_S
            receiver.heartbeat_status = 503
            late = await asyncio.to_thread(receiver.until_told, "firing", "heartbeat-late", MOST_AGE_S + 30)
            assert MOST_AGE_S <= late - second <= MOST_AGE_S + LATE_S
            receiver.heartbeat_status = 200
            await asyncio.to_thread(receiver.until_told, "resolved", "heartbeat-late", EVERY_S + 30)
            beats = len(receiver.heartbeats)
        ended = time.monotonic()
    assert receiver.told("firing") == receiver.told("resolved") == ["heartbeat-late"]
    assert beats == len(receiver.heartbeats)
    assert ended > receiver.heartbeats[-1]
