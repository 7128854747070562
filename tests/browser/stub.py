"""A service that is only its console and what it is told to answer, behind the real edge."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import http, keys
from service.console import assets, routes
from service.errors import Problem
from tests.browser.answers import Answers, answers, insight, silence
from tests.unit.service.standing import KEYS


class Stub:
    """Serves on one port, over stops and starts; `tell` changes what it answers."""

    def __init__(self, charts: Path | None) -> None:
        self.state: Answers = {}
        self.sent: list[tuple[str, str, Any]] = []
        self.reads_need_key = False
        # What a load balancer answers for everything when nobody is there.
        self.failing: int | None = None
        self.ask_insight: Callable[[str], Response] = _found
        self._keys = keys.parse(KEYS)
        self._files = assets.load(charts=charts or Path("/nonexistent"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tell(self, state: str) -> None:
        self.state = answers(state)
        self.sent = []
        self.reads_need_key = False
        self.failing = None
        self.ask_insight = _found

    def start(self) -> None:
        config = uvicorn.Config(
            self._app(), host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the stub did not start"
            self._thread.join(0.01)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()

    def _app(self) -> http.Edge:
        everything = [
            *routes.routes(self._files),
            Route("/api/alerts/{id}/ack", self._acknowledge, methods=["POST"]),
            Route("/api/alerts/silences", self._silence, methods=["POST"]),
            Route("/api/alerts/silences/{id}", self._end, methods=["DELETE"]),
            Route("/api/insights/{id:path}", self._insight),
            Route("/{path:path}", self._read),
        ]
        return http.Edge(Starlette(routes=everything, exception_handlers={Problem: http.problem_response}))

    async def _read(self, request: Request) -> Response:
        if self.failing:
            raise Problem(self.failing, "Unavailable", "no replica is there")
        if request.url.path not in ("/health", "/ready") and self.reads_need_key:
            self._keys.demand("read", request.headers.get("authorization"))
        if request.url.path not in self.state:
            raise Problem(404, "Not found", "no such route; GET /openapi.json lists them")
        answer = self.state[request.url.path]
        if isinstance(answer, int):
            raise Problem(answer, "Failed", "as the test wants it")
        return http.json_response(answer)

    async def _insight(self, request: Request) -> Response:
        return self.ask_insight(request.path_params["id"])

    async def _acknowledge(self, request: Request) -> Response:
        body = await self._admin(request)
        (alert,) = (one for one in self.state["/api/alerts/active"] if one["id"] == request.path_params["id"])
        alert["acknowledged"] = {"by": body["by"], "at": alert["occurredAt"], "comment": body["comment"]}
        return http.json_response(alert)

    async def _silence(self, request: Request) -> Response:
        body = await self._admin(request)
        made = silence("made", "", **{name: body[name] for name in ("matchers", "comment", "createdBy")})
        self.state["/api/alerts/silences"].append(made)
        for alert in self.state["/api/alerts/active"]:
            alert["silenced"] |= alert["ruleId"] == body["matchers"].get("ruleId")
        return http.json_response(made, 201)

    async def _end(self, request: Request) -> Response:
        await self._admin(request)
        held = self.state["/api/alerts/silences"]
        held[:] = [one for one in held if one["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def _admin(self, request: Request) -> Any:
        self._keys.demand("admin", request.headers.get("authorization"))
        body = await request.json() if await request.body() else None
        self.sent.append((request.method, request.url.path, body))
        return body


def _found(decision_id: str) -> Response:
    return http.json_response(insight(decision_id), headers={"X-Cache": "miss"})
