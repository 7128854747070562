"""Clients that never stop asking: one reads /health, one posts decisions, each time on a new connection."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

PAUSE_S = 0.05
TIMEOUT_S = 20.0


@dataclass
class Seen:
    """Requests by kind, and those not answered as they should be."""

    answered: dict[str, int] = field(default_factory=lambda: {"read": 0, "post": 0})
    failed: list[str] = field(default_factory=list)


@contextmanager
def clients_of(url: str, key: str) -> Iterator[Seen]:
    seen, over = Seen(), threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(kind, url, key, seen, over), daemon=True)
        for kind in seen.answered
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(TIMEOUT_S)


def _ask(kind: str, url: str, key: str, seen: Seen, over: threading.Event) -> None:
    while not over.wait(PAUSE_S):
        try:
            answer = httpx.get(f"{url}/health", timeout=TIMEOUT_S) if kind == "read" else _post(url, key)
        except httpx.HTTPError as reason:
            seen.failed.append(f"{datetime.now(UTC):%T} {kind}: {reason!r}")
            continue
        seen.answered[kind] += 1
        if answer.status_code not in {200, 201}:
            seen.failed.append(f"{datetime.now(UTC):%T} {kind}: {answer.status_code} {answer.text[:200]}")


def _post(url: str, key: str) -> httpx.Response:
    trace = {
        "decisionId": f"fault-{uuid.uuid4()}",
        "userId": "fault",
        "occurredAt": datetime.now(UTC).isoformat(),
        "action": "show",
        "durationMs": 1.5,
    }
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/api/decisions", json=trace, headers=headers, timeout=TIMEOUT_S)
