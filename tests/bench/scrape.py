"""How long a scrape takes, and for how long it holds up the event loop: all series, in a thread as served.

Run: python -m tests.bench.scrape [--scrapes 100]. Prints JSON; exits 1 when a scrape takes, or holds the
interpreter for, more CPU time than it may: what else runs on the machine changes that little. The stall is
how late a task woke that only sleeps; a busy machine delays it too, as the same without scrapes shows.
"""

import argparse
import asyncio
import gc
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Coroutine
from unittest import mock

import uvloop

from service.insights.decision import Outcome
from service.metrics import ROUTES, Metrics

TICK_S = 0.001
MOST_MS = {"render_cpu_ms": 20.0, "held_cpu_ms": 5.0}
Told = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scrapes", type=int, default=100)
    told = uvloop.run(_measured(parser.parse_args().scrapes))
    report = {"load": os.getloadavg()[0], "most_allowed": MOST_MS, **told}
    print(json.dumps(report, indent=2))  # noqa: T201  # its output
    return 0 if all(told[name]["p99"] <= most for name, most in MOST_MS.items()) else 1


async def _measured(scrapes: int) -> dict[str, Told]:
    metrics = _busy()
    # As the service does once it stands.
    gc.collect()
    gc.freeze()
    await asyncio.to_thread(metrics.render, "")
    idle_ms = await _stalls_ms(asyncio.sleep(scrapes * 0.02))
    took_ms: list[float] = []
    stalls_ms = await _stalls_ms(_scraped(metrics, scrapes, took_ms))
    return {
        "render_cpu_ms": _told([_cpu_ms(metrics) for _ in range(scrapes)]),
        "held_cpu_ms": _told([_held_cpu_ms(metrics) for _ in range(scrapes)]),
        "scrape_ms": _told(took_ms),
        "loop_stall_ms": _told(stalls_ms),
        "loop_stall_without_scrapes_ms": _told(idle_ms),
    }


def _busy() -> Metrics:
    """Every series there is, with something in it."""
    metrics = Metrics("bench")
    metrics.watch_queue(lambda: 7)
    metrics.watch_pool(lambda: (4, 2, 0))
    for route in ROUTES:
        for status in (200, 201, 304, 404, 409, 503):
            metrics.requests.answered(route, status, random.lognormvariate(-4.5, 0.8))
    for outcome in Outcome:
        metrics.wrote(outcome, [0.001, 0.01, 0.1])
    return metrics


def _cpu_ms(metrics: Metrics) -> float:
    start = time.thread_time()
    metrics.render("")
    return 1000 * (time.thread_time() - start)


def _held_cpu_ms(metrics: Metrics) -> float:
    """The longest that a rendering works without a pause in which the event loop gets its turn."""
    turns = [time.thread_time()]

    def pause(_: float) -> None:
        turns.append(time.thread_time())

    with mock.patch("time.sleep", pause):
        metrics.render("")
    pause(0.0)
    return 1000 * max(late - early for early, late in itertools.pairwise(turns))


async def _scraped(metrics: Metrics, scrapes: int, took_ms: list[float]) -> None:
    for _ in range(scrapes):
        start = time.perf_counter()
        await asyncio.to_thread(metrics.render, "")
        took_ms.append(1000 * (time.perf_counter() - start))
        await asyncio.sleep(0.005)


async def _stalls_ms(work: Coroutine[object, object, None]) -> list[float]:
    """How late each tick was until the work ended."""
    ends = asyncio.create_task(work)
    late_ms: list[float] = []
    while not ends.done():
        start = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append(1000 * (time.perf_counter() - start - TICK_S))
    await ends
    return late_ms


def _told(times_ms: list[float]) -> Told:
    ordered = sorted(times_ms)
    return {
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[len(ordered) * 99 // 100], 2),
        "most": round(ordered[-1], 2),
    }


if __name__ == "__main__":
    sys.exit(main())
