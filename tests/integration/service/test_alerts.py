"""Replicas on real stores: people are told once of each transition, whoever is killed."""

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.integration.service.conftest import Cache, Database
from tests.integration.service.receiver import Receiver, receiving
from tests.integration.service.standing import environ, inside, process

pytestmark = pytest.mark.anyio

RULE = """
  - id: {id}
    metric: {metric}
    type: threshold
    threshold: {threshold}
    operator: "{operator}"
    duration: {duration}
    severity: {severity}
    message: {id} is beyond its limit
    cooldown: 0
    noData: hold
"""
DATABASE_DOWN = RULE.format(
    id="database-down", metric="db.up", threshold=1, operator="<", duration=2000, severity="critical"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clean(database: Database, queue: Cache) -> Database:
    """Without alerts; the queue is emptied by its own fixture."""
    assert queue
    database.rows("TRUNCATE alert_history")
    database.rows("UPDATE alert_book SET revision = 0, book = '{}'")
    return database


def rules(folder: Path, *texts: str) -> str:
    file = folder / "rules.yaml"
    file.write_text("rules:\n" + "".join(texts))
    return str(file)


def settings(queue: Cache, receiver: Receiver, file: str, **more: str) -> dict[str, str]:
    fast = {"ALERT_EVALUATION_INTERVAL": "200", "METRICS_COLLECTION_INTERVAL": "500"}
    return {"QUEUE_URL": queue.url, "ALERT_RULES_FILE": file} | fast | receiver.environ | more


def history(database: Database) -> Counter[tuple[object, object]]:
    return Counter(
        (status, rule_id) for status, rule_id in database.rows("SELECT status, rule_id FROM alert_history")
    )


async def until(true: object, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_three_replicas_tell_once_and_answer_alike(
    clean: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    text = RULE.format(
        id="cache-down", metric="cache.up", threshold=1, operator="<", duration=0, severity="high"
    )
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, text))
        async with contextlib.AsyncExitStack() as stack:
            three = [await stack.enter_async_context(inside(clean, cache, **changed)) for _ in range(3)]
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
    assert history(clean) == {("firing", "cache-down"): 1, ("resolved", "cache-down"): 1}


async def test_a_database_that_dies_is_told_while_it_is_dead_once(
    clean: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, DATABASE_DOWN))
        with process(environ(clean, cache, **changed), tmp_path) as service:
            await until(lambda: _leads(service.url))
            await asyncio.to_thread(clean.kill)
            died = time.monotonic()
            told = await asyncio.to_thread(receiver.until_told, "firing", "database-down", 62)
            assert told - died <= 62
            (active,) = (await asyncio.to_thread(httpx.get, f"{service.url}/api/alerts/active")).json()
            assert active["ruleId"] == "database-down"
            past = (await asyncio.to_thread(httpx.get, f"{service.url}/api/alerts/history")).json()
            assert [one["status"] for one in past] == ["firing"]
            await asyncio.to_thread(clean.start)
            await asyncio.to_thread(clean.await_ready)
            await asyncio.to_thread(receiver.until_told, "resolved", "database-down", 60)
            await until(lambda: len(history(clean)) == 2)
        log = service.log.read_text()
    assert receiver.told("firing") == receiver.told("resolved") == ["database-down"]
    assert set(history(clean).values()) == {1}
    assert "secret-path" not in log
    assert "Traceback" not in log


async def test_alerts_go_on_without_the_queue(
    clean: Database, cache: Cache, queue: Cache, tmp_path: Path
) -> None:
    text = RULE.format(
        id="cache-down", metric="cache.up", threshold=1, operator="<", duration=0, severity="high"
    )
    with receiving() as receiver:
        changed = settings(queue, receiver, rules(tmp_path, text))
        async with inside(clean, cache, **changed) as one, inside(clean, cache, **changed) as two:
            await until(lambda: one.service.is_leader() or two.service.is_leader())
            await asyncio.to_thread(queue.kill)
            await asyncio.to_thread(cache.kill)
            await asyncio.to_thread(receiver.until_told, "firing", "cache-down", 30)
            await asyncio.to_thread(cache.start)
            await asyncio.to_thread(receiver.until_told, "resolved", "cache-down", 30)
    assert receiver.told("firing") == receiver.told("resolved") == ["cache-down"]
    assert set(history(clean).values()) == {1}


async def test_a_leader_killed_amid_a_storm_loses_no_transition(
    clean: Database, cache: Cache, queue: Cache, tmp_path: Path
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
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    with receiving() as receiver, contextlib.ExitStack() as stack:
        changed = settings(queue, receiver, rules(tmp_path, *texts), ALERT_WEBHOOK_MAX_PER_MINUTE="60")
        three = [stack.enter_context(process(environ(clean, cache, **changed), folder)) for folder in folders]
        await until(lambda: any(_leads(one.url) for one in three))
        await asyncio.to_thread(cache.kill)
        await until(lambda: len(receiver.told("firing")) >= 20)
        leader = next(one for one in three if _leads(one.url))
        leader.process.kill()
        names = {f"storm-{number:03}" for number in range(200)}
        await until(lambda: set(receiver.told("firing")) == names, 90)
        await asyncio.to_thread(cache.start)
        await until(lambda: set(receiver.told("resolved")) == names, 90)
        messages = Counter(
            (str(body["status"]), tuple(sorted(one["labels"]["alertname"] for one in body["alerts"])))
            for _, body in receiver.came
        )
    assert set(history(clean)) == {(status, name) for name in names for status in ("firing", "resolved")}
    assert set(history(clean).values()) == {1}
    # The one message that was under way may have come twice.
    assert sum(messages.values()) - len(messages) <= 1


def _leads(url: str) -> bool:
    """A process that was killed leads nobody."""
    try:
        return bool(httpx.get(f"{url}/api/about/monitoring").json()["alerts"]["leader"])
    except httpx.TransportError:
        return False
