"""What one interval of the collector costs: three busy replicas, the queue Redis where one is named.

Run: python -m tests.bench.snapshot [--queue-url URL] [--rounds 200]. Prints JSON; times are CPU time of this
process. Without a Redis the board is in memory, so that a client's share is missing. Exits 1 where taking a
snapshot takes longer than it may.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service import redisdb
from service.collector.keep import Keep
from service.collector.loop import Clock, Collecting, Plan, Readings, Sources
from service.collector.probes import Probes
from service.collector.process import rss_bytes
from service.collector.share import Board, RedisBoard, Shared
from service.collector.snapshot import Gauges
from service.collector.testing import MemoryBoard
from service.collector.traffic import Meter
from service.metrics import Metrics

INTERVAL_S = 30.0
REPLICAS = ("a", "b", "c")
REQUESTS = 2000
MOST_US = 1000


class Replica:
    """One collector on a clock that is moved by hand."""

    def __init__(self, name: str, board: Board, now: Callable[[], float]) -> None:
        self.meter = Meter()
        metrics = Metrics("bench")
        readings = Readings(metrics.counters, lambda: Gauges(rss_bytes=rss_bytes()), lambda: False)
        self.collecting = Collecting(
            Plan(INTERVAL_S, len(REPLICAS)),
            Sources(self.meter, readings, Probes([])),
            Shared(board, name, INTERVAL_S, now),
            Keep(Nowhere(), lambda: name == REPLICAS[0], INTERVAL_S),
            metrics,
            Clock(now, now),
        )

    def serve(self) -> None:
        """Latencies as they are: most of some milliseconds, a few of a second."""
        for route in ("decisions", "insight"):
            observe = self.meter.traffic.observe[route]
            for _ in range(REQUESTS):
                observe(random.lognormvariate(-4.5, 0.8))


class Nowhere:
    """The statement itself is the database's and its client's work."""

    async def rows(self, _query: str, _parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return []


def main() -> int:
    options = _options()
    told, median_us = asyncio.run(_measured(options))
    print(json.dumps(told, indent=2))  # noqa: T201  # its output
    return int(median_us > MOST_US)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue-url")
    parser.add_argument("--rounds", type=int, default=200)
    return parser.parse_args()


async def _measured(options: argparse.Namespace) -> tuple[dict[str, object], float]:
    """What it tells, and the median of taking a snapshot."""
    at = time.time()
    async with contextlib.AsyncExitStack() as opened:
        board: Board = MemoryBoard(INTERVAL_S)
        if options.queue_url:
            redis = redisdb.connect(options.queue_url, timeout_s=1.0, most_connections=2)
            opened.push_async_callback(redis.aclose)
            board = RedisBoard(redis, INTERVAL_S)
        each = [Replica(name, board, lambda: at) for name in REPLICAS]
        interval_us: list[float] = []
        values_us: list[float] = []
        snapshot_us: list[float] = []
        for _ in range(options.rounds):
            at += INTERVAL_S
            for replica in each:
                replica.serve()
            for replica in each[1:]:
                await replica.collecting.once()
            interval_us.append(await _cpu_us(each[0].collecting.once))
            values_us.append(await _cpu_us(each[0].collecting.values))
            snapshot_us.append(each[0].collecting.snapshot_us)
    told: dict[str, object] = {
        "board": "redis" if options.queue_url else "memory",
        "replicas": len(REPLICAS),
        "snapshot_us": _told(snapshot_us),
        "interval_us": _told(interval_us),
        "values_us": _told(values_us),
    }
    return told, statistics.median(snapshot_us)


async def _cpu_us(work: Callable[[], Awaitable[object]]) -> float:
    start = time.process_time_ns()
    await work()
    return (time.process_time_ns() - start) / 1000


def _told(times_us: list[float]) -> dict[str, int]:
    ordered = sorted(times_us)
    return {
        "median": round(statistics.median(ordered)),
        "p95": round(ordered[len(ordered) * 95 // 100]),
        "least": round(ordered[0]),
    }


if __name__ == "__main__":
    sys.exit(main())
