"""Reads by id that no cache answers, over ninety daily chunks, timed at the database."""

import random
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta

import psycopg

from service.db import QUERIES
from service.insights.testing import uuid7
from tests.bench.ground import Ground
from tests.bench.load import Result

DAYS, ROWS_A_DAY, READS = 90, 500, 2000

FILL = """
INSERT INTO decision_insights (decision_id, created_at, occurred_at, user_id, action, duration_ms,
state_snapshot, difficulty_factors, triggers, extra, content_hash)
SELECT id, at, at, 'user-1', 'raise_difficulty', 12.5,
jsonb_build_object('mood', 0.5, 'text', repeat('x', 400)), '{}', '[]', '{}', ''
FROM unnest(%(ids)s::text[], %(times)s::timestamptz[]) AS r (id, at)
"""
CLAIM = """
INSERT INTO decision_keys (decision_id, created_at, content_hash)
SELECT id, at, '' FROM unnest(%(ids)s::text[], %(times)s::timestamptz[]) AS r (id, at)
"""


def uncached_reads(ground: Ground) -> Result:
    """Milliseconds of a read of a UUIDv7 and of a free id, each from a chunk picked at random."""
    timed, keyed = _fill(ground)
    with psycopg.connect(ground.database.url("app"), autocommit=True) as connection:
        by_time = [_read(connection, "insight_by_time", *row) for row in random.choices(timed, k=READS)]  # noqa: S311
        by_key = [_read(connection, "insight_by_key", *row) for row in random.choices(keyed, k=READS)]  # noqa: S311
    return {
        "chunks": float(
            str(ground.database.rows("SELECT count(*) FROM show_chunks('decision_insights')")[0][0])
        ),
        "by_time_p50_ms": _percentile(by_time, 50),
        "by_time_p95_ms": _percentile(by_time, 95),
        "by_key_p50_ms": _percentile(by_key, 50),
        "by_key_p95_ms": _percentile(by_key, 95),
    }


Row = tuple[str, datetime]


def _fill(ground: Ground) -> tuple[list[Row], list[Row]]:
    now = datetime.now(UTC)
    times = [now - timedelta(days=day, seconds=second) for day in range(DAYS) for second in range(ROWS_A_DAY)]
    timed = [(uuid7(when), when.replace(microsecond=when.microsecond // 1000 * 1000)) for when in times]
    keyed = [(f"order:{uuid.uuid4()}", when) for when in times]
    with psycopg.connect(ground.database.url("owner"), autocommit=True) as connection:
        for rows in (timed, keyed):
            columns = {"ids": [row[0] for row in rows], "times": [row[1] for row in rows]}
            connection.execute(FILL, columns)
        connection.execute(CLAIM, columns)
        connection.execute("ANALYZE decision_insights")
        connection.execute("ANALYZE decision_keys")
    return timed, keyed


def _read(
    connection: psycopg.Connection[tuple[object, ...]], query: str, decision_id: str, at: datetime
) -> float:
    started = time.perf_counter()
    found = connection.execute(
        QUERIES[query].encode(), {"decision_id": decision_id, "created_at": at}
    ).fetchall()
    took_ms = 1000 * (time.perf_counter() - started)
    if not found:
        raise SystemExit(f"bench: {decision_id} is not found")
    return took_ms


def _percentile(values_ms: list[float], percent: int) -> float:
    return round(statistics.quantiles(values_ms, n=100)[percent - 1], 3)
