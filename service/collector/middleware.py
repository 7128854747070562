"""Counts and times every request; pure ASGI, a few microseconds each."""

from time import perf_counter
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from service.collector.traffic import CLASSES, Meter
from service.http import STATUS, named

UNKNOWN = "__unknown__"
# Nobody was left to answer.
CLIENT_GONE = 499
RUN_ID = b"x-amas-run-id"

_EXACT = {
    "/": "console",
    "/health": "health",
    "/ready": "ready",
    "/openapi.json": "openapi",
    "/api/decisions": "decisions",
    "/api/insights": "insights",
    "/api/insights/rate": "rate",
    "/api/cache/insights": "cache",
    "/api/dead-letters": "dead_letters",
    "/api/switches": "switches",
    "/api/audit": "audit",
    "/api/alerts/silences": "silences",
    "/api/alerts/rules": "rules",
    "/api/about/metrics/prometheus": "metrics",
    "/api/about/slo": "slo",
    "/api/about/monitoring": "monitoring",
    "/api/about/series": "series",
    "/api/about/jobs": "jobs",
    "/api/about/values": "values",
}
_PREFIXES = (
    ("/api/runs/", "runs"),
    ("/api/dead-letters/", "dead_letters"),
    ("/api/switches/", "switches"),
    ("/api/alerts/silences/", "silences"),
    ("/api/alerts/rules/", "rules"),
    ("/api/alerts/", "alerts"),
    ("/console/", "console"),
    ("/assets/", "console"),
)


class Counts(Protocol):
    """The part of service.metrics that is used here."""

    def answered(self, route: str, status: int, duration_s: float) -> None: ...


class Collector:
    """Outermost, around the edge: what it does not see was not served. While the meter is off it hands on."""

    def __init__(self, app: ASGIApp, counts: Counts, meter: Meter) -> None:
        self._app = app
        self._answered = counts.answered
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        meter = self._meter
        if meter.off or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        try:
            await self._app(scope, receive, send)
        finally:
            # In line, since a call costs as much as some of these lines.
            end = perf_counter()
            # Read where the edge left it: to watch every message here would cost more than all the rest.
            status = scope.get(STATUS, CLIENT_GONE)
            path = scope["path"]
            route = _EXACT.get(path) or _by_prefix(path)
            self._answered(route, status, end - start)
            traffic = meter.traffic
            if route in CLASSES:
                if RUN_ID in named(scope):
                    traffic.run_requests += 1
                else:
                    traffic.observe[route](end - start)
                    if status >= 400:
                        traffic.failed(route, status)
            traffic.overhead_s += perf_counter() - end


def _by_prefix(path: str) -> str:
    if path.startswith("/api/insights/"):
        return "cache" if path.endswith("/cache") else "insight"
    return next((route for prefix, route in _PREFIXES if path.startswith(prefix)), UNKNOWN)
