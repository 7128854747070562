"""Storms of alerts on a real clock, before receivers that take little or nothing: nobody is left untold."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from tests.integration.service.conftest import Cache, Database
from tests.integration.service.receiver import receiving
from tests.integration.service.replicas import RULE, history, leads, rules, settings, started, until
from tests.integration.service.standing import environ, process

pytestmark = [pytest.mark.anyio, pytest.mark.full]

ALERTS = 1000
CRITICAL_EVERY = 50
# Sooner than that after the last one the receiver answers 429 and Retry-After.
APART_S = 7.0
NAMED_WITHIN_S = 60.0
MOST_PER_MINUTE = 12
# `python -m tests.prove storms` sets ten minutes.
AWAY_S = float(os.environ.get("AMAS_RECEIVER_AWAY_S", "60"))
# The longest pause between two attempts, and as much again for a busy machine.
BACK_WITHIN_S = 120.0
FEW = 40
# A probe that a busy machine answers late is no outage.
STEADY_MS = 3000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def on_cache(number: int, duration_ms: int, severity: str) -> str:
    return RULE.format(
        id=f"storm-{number:04}",
        metric="cache.up",
        threshold=1,
        operator="<",
        duration=duration_ms,
        severity=severity,
    )


def fired_at(database: Database) -> dict[str, float]:
    """By rule, on the clock of the receiver."""
    rows = database.rows(
        "SELECT rule_id, extract(epoch FROM clock_timestamp() - at)::float8"
        " FROM alert_history WHERE status = 'firing'"
    )
    now = time.monotonic()
    return {str(rule_id): now - float(str(ago_s)) for rule_id, ago_s in rows}


async def test_a_thousand_alerts_in_a_minute_reach_a_receiver_that_takes_few(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    critical = {f"storm-{number:04}" for number in range(0, ALERTS, CRITICAL_EVERY)}
    names = {f"storm-{number:04}" for number in range(ALERTS)}
    texts = [
        on_cache(number, number * 55_000 // ALERTS, "medium" if number % CRITICAL_EVERY else "critical")
        for number in range(ALERTS)
    ]
    with receiving() as receiver:
        receiver.apart_s = APART_S
        changed = settings(
            queue,
            receiver,
            rules(tmp_path, *texts),
            ALERT_EVALUATION_INTERVAL="1000",
            ALERT_WEBHOOK_MAX_PER_MINUTE=str(MOST_PER_MINUTE),
        )
        with process(environ(database, cache, **changed), tmp_path) as service:
            await until(lambda: leads(service.url))
            await asyncio.to_thread(cache.kill)
            await until(lambda: set(receiver.told("firing")) == names, 180)
            began = fired_at(database)
            await asyncio.to_thread(cache.start)
            await until(lambda: set(receiver.told("resolved")) == names, 180)
            log = service.log.read_text()
    first = receiver.first_told("firing")
    waited_s = {name: first[name] - began[name] for name in names}
    print(  # noqa: T201  # kept with the proof
        f"{len(names)} alerts within {max(began.values()) - min(began.values()):.0f} s, told in"
        f" {len(receiver.came)} messages and {receiver.answered_with(429)} that were answered 429;"
        f" most in any minute {receiver.most_in(60)}; waited at most {max(waited_s.values()):.1f} s,"
        f" the {len(critical)} critical ones {max(waited_s[name] for name in critical):.1f} s"
    )
    assert max(began.values()) - min(began.values()) <= 60
    assert receiver.answered_with(429)
    assert receiver.too_soon == 0
    assert receiver.most_in(60) <= MOST_PER_MINUTE
    assert max(waited_s[name] for name in critical) <= NAMED_WITHIN_S
    assert set(receiver.times_told().values()) == {1}
    assert set(history(database).values()) == {1}
    assert len(history(database)) == 2 * ALERTS
    assert "Traceback" not in log


async def test_nothing_is_lost_while_the_receiver_is_away_and_the_leader_is_killed(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    texts = [on_cache(number, STEADY_MS, "high" if number % 2 else "critical") for number in range(FEW)]
    with receiving() as receiver, contextlib.ExitStack() as stack:
        changed = settings(queue, receiver, rules(tmp_path, *texts))
        two = started(stack, 2, environ(database, cache, **changed), tmp_path)
        await until(lambda: any(leads(one.url) for one in two))
        away_since = time.monotonic()
        receiver.close()
        await asyncio.to_thread(cache.kill)
        await until(lambda: all_last(database, "firing"), BACK_WITHIN_S)
        await asyncio.sleep(away_since + AWAY_S / 4 - time.monotonic())
        await asyncio.to_thread(cache.start)
        await until(lambda: all_last(database, "resolved"), BACK_WITHIN_S)
        await asyncio.sleep(away_since + AWAY_S / 2 - time.monotonic())
        receiver.status = 503
        receiver.open()
        next(one for one in two if leads(one.url)).process.kill()
        await asyncio.to_thread(cache.kill)
        await until(lambda: all_last(database, "firing"), BACK_WITHIN_S)
        await asyncio.sleep(away_since + AWAY_S - time.monotonic())
        assert receiver.came == []
        back_at, receiver.status = time.monotonic(), 200
        await until(lambda: receiver.knows() == recorded(database), BACK_WITHIN_S)
        told_s = time.monotonic() - back_at
        await asyncio.to_thread(cache.start)
        await until(lambda: all_last(database, "resolved"), BACK_WITHIN_S)
        await until(lambda: receiver.knows() == recorded(database), BACK_WITHIN_S)
    print(  # noqa: T201  # kept with the proof
        f"away for {back_at - away_since:.0f} s, {receiver.answered_with(503)} attempts answered 503;"
        f" everything told {told_s:.1f} s after it was back, in {len(receiver.came)} messages in all"
    )
    assert len(recorded(database)) >= 4 * FEW
    assert set(receiver.times_told().values()) == {1}
    assert receiver.most_in(60) <= MOST_PER_MINUTE


def recorded(database: Database) -> set[tuple[str, str]]:
    """Every firing and every end of one, by the alert's id and its status."""
    rows = database.rows("SELECT alert_id, status FROM alert_history")
    return {(str(alert_id), str(status)) for alert_id, status in rows}


def all_last(database: Database, status: str) -> bool:
    """Whether that is what was recorded last of each rule."""
    rows = database.rows(
        "SELECT DISTINCT ON (rule_id) status FROM alert_history ORDER BY rule_id ASC, at DESC"
    )
    return [one for (one,) in rows] == [status] * FEW
