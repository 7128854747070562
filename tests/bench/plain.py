"""What most services do: a framework route, a pool, one COMMIT for each request. Only measured against."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import uvicorn
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

INSERT = """
INSERT INTO decision_insights (
    decision_id, created_at, occurred_at, user_id, action, duration_ms,
    state_snapshot, difficulty_factors, triggers, extra, content_hash
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '')
ON CONFLICT DO NOTHING
"""

KNOWN = ("decisionId", "userId", "action", "durationMs")

INSIGHT = {
    "decisionId": "0193-1", "userId": "user-1", "action": "raise_difficulty", "durationMs": 12.5,
    "stateSnapshot": {"mood": 0.5, "level": 3}, "difficultyFactors": {"length": 1.25},
    "triggers": ["slow_answer"],
}  # fmt: skip

pool = AsyncConnectionPool(
    os.environ["DATABASE_URL"], open=False, min_size=8, max_size=8, kwargs={"autocommit": True}
)


async def decisions(request: Request) -> JSONResponse:
    trace = msgspec.json.decode(await request.body())
    decision_id = trace["decisionId"]
    milliseconds = int(decision_id[:8] + decision_id[9:13], 16)
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    values = (decision_id, when, when, trace["userId"], trace["action"], trace["durationMs"])
    documents = [Jsonb(trace.pop(name)) for name in ("stateSnapshot", "difficultyFactors", "triggers")]
    # What is left is kept as well: the rows are to be as long as ours.
    extra = Jsonb({name: value for name, value in trace.items() if name not in KNOWN})
    async with pool.connection() as connection:
        await connection.execute(INSERT, (*values, *documents, extra))
    return JSONResponse({"decisionId": decision_id}, 201)


async def constant(_: Request) -> JSONResponse:
    """A framework route with nothing behind it; as large as an insight."""
    return JSONResponse(INSIGHT)


async def health(_: Request) -> JSONResponse:
    return JSONResponse({})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with pool:
        await pool.wait()
        yield


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/constant", constant),
        Route("/api/decisions", decisions, methods=["POST"]),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="0.0.0.0",  # a container's own network
        port=8000,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
