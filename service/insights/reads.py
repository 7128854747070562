"""The routes that read, forget and purge insights."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.errors import Problem
from service.http import json_response
from service.insights import page
from service.insights.decision import ID_ALLOWED, with_time
from service.insights.ingest import RUN_ID, RUN_ID_ALLOWED
from service.insights.insight import Cache, CannotTell, Database, Insights
from service.insights.pages import Pages
from service.insights.rates import Rates

# One statement each: a large run goes in pieces that stay under the statement timeout.
PURGE_ROWS = 2000
WINDOW_HOURS = 7 * 24
RUN_HEADER = "x-amas-run-id"
# What the cache holds beside the insights themselves.
LISTS = "insights:"

_LATER = {"Retry-After": "2"}

Demand = Callable[[Request], None]


@dataclass(frozen=True)
class Reads:
    """Handlers; `may_read` and `may_administer` raise Problem 401 or 403."""

    insights: Insights
    pages: Pages
    rates: Rates
    database: Database
    cache: Cache
    may_read: Demand
    may_administer: Demand

    def routes(self) -> list[Route]:
        return [
            Route("/api/insights", self.newest),
            Route("/api/insights/rate", self.rate),
            Route("/api/insights/{decisionId}", self.insight),
            Route("/api/insights/{decisionId}/cache", self.forget, methods=["DELETE"]),
            Route("/api/cache/insights", self.forget_all, methods=["DELETE"]),
            Route("/api/runs/{runId}", self.run),
            Route("/api/runs/{runId}", self.purge, methods=["DELETE"]),
        ]

    async def insight(self, request: Request) -> Response:
        self.may_read(request)
        decision_id = _decision_id(request)
        try:
            found = await self.insights.read(decision_id, counted=RUN_HEADER not in request.headers)
        except CannotTell as error:
            raise Problem(503, "Cannot tell now", f"{error}; try again", headers=_LATER) from None
        if found.pending:
            return json_response({"decisionId": decision_id, "state": "pending"}, 202)
        if found.insight is None:
            raise Problem(404, "Not found", f"no insight with decisionId {decision_id}", "decisionId")
        return _from(found.insight, hit=found.from_cache)

    async def newest(self, request: Request) -> Response:
        self.may_read(request)
        found, hit = await self.pages.read(page.parse(request.query_params))
        return _from(found, hit=hit)

    async def rate(self, request: Request) -> Response:
        """Insights written an hour, newest hour first; rows of load and smoke runs do not count."""
        self.may_read(request)
        window = request.query_params.get("window", "24h")
        hours, hit = await self.rates.read(_window_hours(window))
        return _from(msgspec.json.encode({"window": window, "hours": msgspec.Raw(hours)}), hit=hit)

    async def forget(self, request: Request) -> Response:
        self.may_administer(request)
        decision_id = _decision_id(request)
        if not await self.insights.forget([decision_id]):
            raise Problem(503, "Cache away", "the cache did not answer; its entry ends by itself at its TTL")
        return Response(status_code=204)

    async def forget_all(self, request: Request) -> Response:
        """Insights, lists and rates; what is read in the meantime is cached again."""
        self.may_administer(request)
        if not (await self.insights.forget_all() and await self.cache.drop_prefix(LISTS)):
            raise Problem(503, "Cache away", "the cache did not answer; its entries end by themselves")
        return Response(status_code=204)

    async def run(self, request: Request) -> Response:
        self.may_read(request)
        run_id = _run_id(request)
        ((stored,),) = await self.database.rows("count_run", {"run_id": run_id})
        return json_response({"runId": run_id, "stored": stored})

    async def purge(self, request: Request) -> Response:
        """Only rows and dead letters that carry this run id; the database lets the service delete no others.

        What of the run still waits in the spool is drained later: purge again then.
        """
        self.may_administer(request)
        run_id = _run_id(request)
        deleted = 0
        while rows := await self.database.rows("purge_run", {"run_id": run_id, "most": PURGE_ROWS}):
            deleted += len(rows)
            await self.insights.forget([decision_id for (decision_id,) in rows])
        while await self.database.rows("purge_run_letters", {"run_id": run_id, "most": PURGE_ROWS}):
            pass
        await self.pages.forget_all()
        return json_response({"runId": run_id, "deleted": deleted})


def _from(body: bytes, *, hit: bool) -> Response:
    return json_response(body, headers={"X-Cache": "hit" if hit else "miss"})


def _decision_id(request: Request) -> str:
    came = request.path_params["decisionId"]
    try:
        found = with_time(came)
    except OverflowError:
        raise Problem(404, "Not found", f"no insight with decisionId {came.lower()}", "decisionId") from None
    if found is None:
        raise Problem(
            400, "Bad id", f"decisionId must be {ID_ALLOWED}; it came as {came[:80]!r}", "decisionId"
        )
    return found[0]


def _run_id(request: Request) -> str:
    came: str = request.path_params["runId"]
    if not RUN_ID.fullmatch(came):
        raise Problem(400, "Bad run id", f"runId must be {RUN_ID_ALLOWED}; it came as {came[:80]!r}", "runId")
    return came


def _window_hours(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,3})([hd])", text, re.ASCII)
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not 1 <= hours <= WINDOW_HOURS:
        allowed = f"1h to {WINDOW_HOURS}h, or 1d to {WINDOW_HOURS // 24}d"
        raise Problem(400, "Bad parameter", f"window must be {allowed}; it came as {text[:80]!r}", "window")
    return hours
