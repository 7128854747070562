"""Replicas on real stores: people are told once of each transition, whoever is killed."""

import asyncio
import contextlib
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.service.conftest import Cache, Database
from tests.integration.service.receiver import receiving
from tests.integration.service.replicas import RULE, history, leads, rules, settings, started, until
from tests.integration.service.standing import environ, inside, process

pytestmark = pytest.mark.anyio

DATABASE_DOWN = RULE.format(
    id="database-down", metric="db.up", threshold=1, operator="<", duration=2000, severity="critical"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_three_replicas_tell_once_and_answer_alike(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    text = RULE.format(
        id="cache-down", metric="cache.up", threshold=1, operator="<", duration=0, severity="high"
    )
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, text))
        async with contextlib.AsyncExitStack() as stack:
            three = [await stack.enter_async_context(inside(database, cache, **changed)) for _ in range(3)]
            await until(lambda: any(one.service.is_leader() for one in three))
            await asyncio.to_thread(cache.kill)
            await asyncio.to_thread(receiver.until_told, "firing", "cache-down", 30)
            answers = [(await one.client.get("/api/alerts/active")).json() for one in three]
            assert [one["ruleId"] for one in answers[0]] == ["cache-down"]
            assert answers[0] == answers[1] == answers[2]
            alert_id = answers[0][0]["id"]
            follower = next(one for one in three if not one.service.is_leader())
            acked = await follower.client.post(
                f"/api/alerts/{alert_id}/ack",
                json={"by": "me", "comment": "on it"},
                headers={"authorization": "Bearer admin"},
            )
            assert acked.status_code == 200, acked.text
            for one in three:
                (shown,) = (await one.client.get("/api/alerts/active")).json()
                assert shown["acknowledged"]["by"] == "me"
            leaders = {(await one.client.get("/api/about/monitoring")).json()["leader"] for one in three}
            assert len(leaders) == 1
            await asyncio.to_thread(cache.start)
            await asyncio.to_thread(receiver.until_told, "resolved", "cache-down", 30)
            assert sum(one.service.is_leader() for one in three) == 1
    assert receiver.told("firing") == receiver.told("resolved") == ["cache-down"]
    assert history(database) == {("firing", "cache-down"): 1, ("resolved", "cache-down"): 1}


async def test_a_database_that_dies_is_told_while_it_is_dead_once(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, DATABASE_DOWN))
        with process(environ(database, cache, **changed), tmp_path) as service:
            await until(lambda: leads(service.url))
            await asyncio.to_thread(database.kill)
            died = time.monotonic()
            told = await asyncio.to_thread(receiver.until_told, "firing", "database-down", 62)
            assert told - died <= 62
            (active,) = (await asyncio.to_thread(httpx.get, f"{service.url}/api/alerts/active")).json()
            assert active["ruleId"] == "database-down"
            past = (await asyncio.to_thread(httpx.get, f"{service.url}/api/alerts/history")).json()
            assert [one["status"] for one in past] == ["firing"]
            await asyncio.to_thread(database.start)
            await asyncio.to_thread(database.await_ready)
            await asyncio.to_thread(receiver.until_told, "resolved", "database-down", 60)
            await until(lambda: len(history(database)) == 2)
        log = service.log.read_text()
    assert receiver.told("firing") == receiver.told("resolved") == ["database-down"]
    assert set(history(database).values()) == {1}
    assert "secret-path" not in log
    assert "Traceback" not in log


async def test_alerts_go_on_without_the_queue(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    text = RULE.format(
        id="cache-down", metric="cache.up", threshold=1, operator="<", duration=0, severity="high"
    )
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, text))
        async with inside(database, cache, **changed) as one, inside(database, cache, **changed) as two:
            await until(lambda: one.service.is_leader() or two.service.is_leader())
            await asyncio.to_thread(queue.kill)
            await asyncio.to_thread(cache.kill)
            await asyncio.to_thread(receiver.until_told, "firing", "cache-down", 30)
            await asyncio.to_thread(cache.start)
            await asyncio.to_thread(receiver.until_told, "resolved", "cache-down", 30)
    assert receiver.told("firing") == receiver.told("resolved") == ["cache-down"]
    assert set(history(database).values()) == {1}


async def test_a_leader_killed_amid_a_storm_loses_no_transition(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    texts = [
        RULE.format(
            id=f"storm-{number:03}",
            metric="cache.up",
            threshold=1,
            operator="<",
            duration=number % 20 * 200,
            severity="medium",
        )
        for number in range(200)
    ]
    with receiving() as receiver, contextlib.ExitStack() as stack:
        changed = settings(queue, receiver, rules(tmp_path, *texts), ALERT_WEBHOOK_MAX_PER_MINUTE="60")
        three = started(stack, 3, environ(database, cache, **changed), tmp_path)
        await until(lambda: any(leads(one.url) for one in three))
        await asyncio.to_thread(cache.kill)
        await until(lambda: len(receiver.told("firing")) >= 20)
        leader = next(one for one in three if leads(one.url))
        leader.process.kill()
        names = {f"storm-{number:03}" for number in range(200)}
        await until(lambda: set(receiver.told("firing")) == names, 90)
        await asyncio.to_thread(cache.start)
        await until(lambda: set(receiver.told("resolved")) == names, 90)
    assert set(history(database)) == {(status, name) for name in names for status in ("firing", "resolved")}
    assert set(history(database).values()) == {1}
    # The one message that was under way may have come twice, and nothing else did.
    repeated = receiver.repeated()
    assert len(repeated) <= 1
    twice = {one for one, times in receiver.times_told().items() if times > 1}
    assert twice <= {one for message in repeated for one in message}
