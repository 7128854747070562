"""Every request is counted once, under a fixed set of labels."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.collector.middleware import CLIENT_GONE, UNKNOWN, Collector
from service.collector.traffic import CLASSES, Meter, Traffic
from service.http import Edge
from service.metrics import ROUTES

pytestmark = pytest.mark.anyio


class Counts:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def answered(self, route: str, status: int, duration_s: float) -> None:
        assert duration_s >= 0
        self.seen.append((route, status))


class Asked:
    """What one request of a bare app left behind."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.meter = Meter()

    async def get(self, path: str, status: int | None = 200, kind: str = "http", **headers: str) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if status is not None:
                await send({"type": "http.response.start", "status": status, "headers": []})

        async def send(message: Message) -> None:
            pass

        async def receive() -> Message:
            raise AssertionError("nothing is read here")

        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": kind, "path": path, "headers": raw}
        await Collector(Edge(app), self.counts, self.meter)(scope, receive, send)


async def asked(path: str, status: int | None = 200, kind: str = "http") -> list[tuple[str, int]]:
    one = Asked()
    await one.get(path, status, kind)
    return one.counts.seen


def total(traffic: Traffic) -> int:
    return sum(one.histogram().total for one in traffic.buckets.values())


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
        ("/api/alerts/4711/ack", "alerts"),
        ("/api/alerts/silences", "silences"),
        ("/api/alerts/silences/7", "silences"),
        ("/api/alerts/rules", "rules"),
        ("/api/alerts/rules/reload", "rules"),
        ("/api/dead-letters", "dead_letters"),
        ("/api/dead-letters/replay", "dead_letters"),
        ("/api/switches", "switches"),
        ("/api/switches/disable-insight-writes", "switches"),
        ("/api/audit", "audit"),
        ("/api/cache/insights", "cache"),
        ("/api/about/slo", "slo"),
        ("/api/about/monitoring", "monitoring"),
        ("/api/about/series", "series"),
        ("/nope/17", UNKNOWN),
        ("/", "console"),
        ("/console/0a1b/main.js", "console"),
    ],
)
async def test_paths_fall_into_a_fixed_set_of_routes(path: str, route: str) -> None:
    assert await asked(path) == [(route, 200)]
    assert route in ROUTES


async def test_no_answer_is_499() -> None:
    assert await asked("/health", status=None) == [("health", CLIENT_GONE)]


async def test_other_protocols_are_not_counted() -> None:
    assert await asked("/", kind="lifespan") == []


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/", "/api/about/metrics/prometheus", "/api/alerts/rules"]
)
async def test_what_probes_operators_and_the_console_ask_is_no_traffic(path: str) -> None:
    one = Asked()
    await one.get(path)
    assert len(one.counts.seen) == 1
    assert total(one.meter.take()) == 0


async def test_traffic_is_taken_once() -> None:
    one = Asked()
    await one.get("/api/decisions")
    await one.get("/api/insights/x")
    taken = one.meter.take()
    assert {kind: buckets.histogram().total for kind, buckets in taken.buckets.items()} == {
        "decisions": 1,
        "reads": 1,
        "other": 0,
    }
    assert taken.overhead_s > 0
    assert total(one.meter.take()) == 0


async def test_requests_of_a_run_have_their_series_and_are_no_traffic() -> None:
    one = Asked()
    await one.get("/api/decisions", 503, x_amas_run_id="smoke-1")
    assert one.counts.seen == [("decisions", 503)]
    taken = one.meter.take()
    assert (total(taken), taken.run_requests, taken.errors, taken.refused) == (0, 1, 0, 0)


async def test_refusals_errors_and_conflicts_are_told_apart() -> None:
    one = Asked()
    for path, status in (
        ("/api/decisions", 503), ("/api/decisions", 500), ("/api/decisions", 409), ("/api/decisions", 400),
        ("/api/insights/x", 503), ("/api/insights/x", 404),
    ):  # fmt: skip
        await one.get(path, status)
    taken = one.meter.take()
    assert (taken.errors, taken.refused, taken.refused_decisions, taken.conflicts) == (3, 2, 1, 1)


async def test_while_off_nothing_is_counted() -> None:
    one = Asked()
    one.meter.off = True
    await one.get("/api/decisions")
    assert one.counts.seen == []
    assert total(one.meter.take()) == 0
    one.meter.off = False
    await one.get("/api/decisions")
    assert one.counts.seen == [("decisions", 200)]


def test_every_class_is_of_a_route() -> None:
    assert set(CLASSES) <= set(ROUTES)
