"""Every request is counted once, under a fixed set of labels."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.collector.middleware import CLIENT_GONE, UNKNOWN, Collector
from service.metrics import ROUTES

pytestmark = pytest.mark.anyio


class Counts:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def answered(self, route: str, status: int, duration_s: float) -> None:
        assert duration_s >= 0
        self.seen.append((route, status))


async def asked(path: str, status: int | None = 200, kind: str = "http") -> list[tuple[str, int]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if status is not None:
            await send({"type": "http.response.start", "status": status, "headers": []})

    async def send(message: Message) -> None:
        pass

    async def receive() -> Message:
        raise AssertionError("nothing is read here")

    counts = Counts()
    await Collector(app, counts)({"type": kind, "path": path}, receive, send)
    return counts.seen


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/health", "health"),
        ("/api/decisions", "decisions"),
        ("/api/insights", "insights"),
        ("/api/insights/rate", "rate"),
        ("/api/insights/order:1", "insight"),
        ("/api/insights/order:1/cache", "cache"),
        ("/api/runs/r1", "runs"),
        ("/api/alerts/active", "alerts"),
        ("/nope/17", UNKNOWN),
        ("/", UNKNOWN),
    ],
)
async def test_paths_fall_into_a_fixed_set_of_routes(path: str, route: str) -> None:
    assert await asked(path) == [(route, 200)]
    assert route in ROUTES


async def test_no_answer_is_499() -> None:
    assert await asked("/health", status=None) == [("health", CLIENT_GONE)]


async def test_other_protocols_are_not_counted() -> None:
    assert await asked("/", kind="lifespan") == []
