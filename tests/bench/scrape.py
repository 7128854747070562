"""How long a scrape takes, and for how long it holds up the event loop: all series, in a thread as served.

Run: python -m tests.bench.scrape [--scrapes 100]. Prints JSON. The stall is how late a task woke that only
sleeps; the same is measured without scrapes, since a busy machine delays it too.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import time
from collections.abc import Coroutine

import uvloop

from service.insights.decision import Outcome
from service.metrics import ROUTES, Metrics

TICK_S = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scrapes", type=int, default=100)
    print(json.dumps(uvloop.run(_measured(parser.parse_args().scrapes)), indent=2))  # noqa: T201  # its output


async def _measured(scrapes: int) -> dict[str, object]:
    metrics = _busy()
    body = metrics.render("")[0]
    # As the service does once it stands.
    gc.collect()
    gc.freeze()
    await asyncio.to_thread(metrics.render, "")
    idle_ms = await _stalls_ms(asyncio.sleep(scrapes * 0.02))
    took_ms: list[float] = []
    stalls_ms = await _stalls_ms(_scraped(metrics, scrapes, took_ms))
    return {
        # What else ran on this machine delays both, and holds up a thread that holds the interpreter.
        "load": os.getloadavg()[0],
        "lines": len(body.splitlines()),
        "render_cpu_ms": _told([_cpu_ms(metrics) for _ in range(scrapes)]),
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


def _told(times_ms: list[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[len(ordered) * 99 // 100], 2),
        "most": round(ordered[-1], 2),
    }


if __name__ == "__main__":
    main()
