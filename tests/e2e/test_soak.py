"""An hour at the average rate on the default stack: the verdict, and what memory, queue and disk did."""

import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboards.asking import Prometheus, Series, Span
from dashboards.board import Query
from tests.e2e.conftest import Stack

LENGTH_S = os.environ.get("AMAS_SOAK_S", "3600")
# While pools, caches and code fill, growth says nothing.
WARM_UP_SHARE = 0.4
# Of a replica: half a megabyte a minute is the whole of its limit within a day.
MOST_REPLICA_MB, MOST_REPLICA_MB_PER_H = 512, 30
# What comes within a second: more would be a backlog.
MOST_QUEUED = 200
# A decision of the load test is about 750 bytes; its row has indexes, and pages that are not full.
MOST_BYTES_PER_ROW = 4096
STEP_S = 15
MB = "/ 1e6"

REPLICAS = Query('process_resident_memory_bytes{job="api"} ' + MB, "memory of {{instance}}, MB")
QUEUE = Query('sum(amas_queue_size{job="api", type="decision"})', "queue, decisions")
SPOOL = Query('max(amas_spool_length{job="api"})', "spool, decisions")
DISK = Query('sum(pg_database_size_bytes{job="db"}) ' + MB, "database on disk, MB")
REDIS = Query('redis_memory_used_bytes{job=~"cache|queue"} ' + MB, "memory of {{job}}, MB")


@dataclass(frozen=True)
class Trend:
    """A series over the run; its slope is taken once it was warm."""

    name: str
    first: float
    most: float
    last: float
    per_hour: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.first:.1f} at first, {self.most:.1f} at most, {self.last:.1f} at last, "
            f"{self.per_hour:+.2f} an hour"
        )


@pytest.mark.full
def test_an_hour_at_the_average_rate_ends_as_it_began(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.time()
    told = soaked(stack, tmp_path)
    span = Span(started, time.time(), STEP_S)
    trends = {query: trends_of(stack, query, span) for query in (REPLICAS, QUEUE, SPOOL, DISK, REDIS)}
    (disk,) = trends[DISK]
    bytes_per_row = 1e6 * (disk.most - disk.first) / told["service"]["stored"]
    (summary,) = tmp_path.glob("*-mixed-soak/load-test-summary.txt")
    with capsys.disabled():
        print(f"\n{summary.read_text()}", *(one for group in trends.values() for one in group), sep="\n")  # noqa: T201
        print(f"disk a stored row: {bytes_per_row:.0f} bytes")  # noqa: T201 - the figures are the result
    assert told["verdict"] == "passed", told["reasons"]
    assert len(trends[REPLICAS]) == 2
    for replica in trends[REPLICAS]:
        assert replica.most < MOST_REPLICA_MB
        assert replica.per_hour < MOST_REPLICA_MB_PER_H
    # The last sample may be of a moment in which something was under way.
    assert trends[QUEUE][0].most < MOST_QUEUED
    assert trends[SPOOL][0].most == 0
    assert bytes_per_row < MOST_BYTES_PER_ROW


def soaked(stack: Stack, folder: Path) -> Any:
    run = ("loadtest", "run", "mixed", "--profile", "soak", "--duration", LENGTH_S)
    done = stack.amas(*run, "--out", str(folder), "--json", check=False, within_s=int(LENGTH_S) + 1200)
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout)


def trends_of(stack: Stack, query: Query, span: Span) -> list[Trend]:
    prometheus = Prometheus(f"http://127.0.0.1:{stack.prometheus_port}")
    try:
        return [trend(one, span) for one in prometheus.query(query, span, is_instant=False)]
    finally:
        prometheus.close()


def trend(series: Series, span: Span) -> Trend:
    warm_at = span.start + WARM_UP_SHARE * (span.end - span.start)
    warm = [point for point in series.points if point[0] >= warm_at]
    values = [value for _, value in series.points]
    slope = statistics.linear_regression(*zip(*warm, strict=True)).slope
    return Trend(series.name, values[0], max(values), values[-1], 3600 * slope)
