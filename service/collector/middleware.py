"""Counts and times every request; pure ASGI, a few microseconds each."""

from time import perf_counter
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNKNOWN = "__unknown__"
# Nobody was left to answer.
CLIENT_GONE = 499

_EXACT = {
    "/health": "health",
    "/ready": "ready",
    "/openapi.json": "openapi",
    "/api/decisions": "decisions",
    "/api/insights": "insights",
    "/api/insights/rate": "rate",
    "/api/alerts/active": "alerts",
    "/api/alerts/history": "alerts",
    "/api/about/metrics/prometheus": "metrics",
}


class Counts(Protocol):
    """The part of service.metrics that is used here."""

    def answered(self, route: str, status: int, duration_s: float) -> None: ...


class Collector:
    """Outermost: what it does not see was not served."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._answered = counts.answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = perf_counter()
        status = CLIENT_GONE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            path = scope["path"]
            self._answered(_EXACT.get(path) or _by_prefix(path), status, perf_counter() - start)


def _by_prefix(path: str) -> str:
    if path.startswith("/api/insights/"):
        return "cache" if path.endswith("/cache") else "insight"
    return "runs" if path.startswith("/api/runs/") else UNKNOWN
