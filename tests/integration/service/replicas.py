"""Replicas that alert: their rules, their settings, and what became of it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.integration.service.conftest import Cache, Database
from tests.integration.service.receiver import Receiver
from tests.integration.service.standing import Process, process

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


def started(
    stack: contextlib.ExitStack, number: int, environment: Mapping[str, str], folder: Path
) -> list[Process]:
    """So many replicas, each a process with a log of its own, until the stack is left."""
    folders = [folder / f"replica-{one}" for one in range(number)]
    for one in folders:
        one.mkdir()
    return [stack.enter_context(process(environment, one)) for one in folders]


def leads(url: str) -> bool:
    """A process that was killed leads nobody."""
    try:
        return bool(httpx.get(f"{url}/api/about/monitoring").json()["alerts"]["leader"])
    except httpx.TransportError:
        return False
