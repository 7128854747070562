"""What the metrics middleware costs a request: one bare app behind the edge with it and without, in turns.

Run: python -m tests.bench.middleware [--requests 20000] [--rounds 15]. Prints JSON; the difference counts.
Exits 1 where it is more than it may be.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.collector.middleware import Collector
from service.collector.traffic import Meter
from service.http import Edge
from service.metrics import Metrics

# What a load balancer and a client send.
MOST_NS = 3000
NAMES = ("host", "user-agent", "accept", "content-type", "content-length", "authorization", "x-request-id")
SCOPE = {
    "type": "http",
    "path": "/api/decisions",
    "headers": [(name.encode(), b"x") for name in NAMES],
}


def main() -> int:
    options = _options()
    counted = Collector(_EDGE, Metrics("bench").requests, Meter())
    rounds = [_round(counted, options.requests) for _ in range(options.rounds)]
    without, with_it = (statistics.median(column) for column in zip(*rounds, strict=True))
    costs = sorted(after - before for before, after in rounds)
    report = {
        "ns_without": round(without),
        "ns_with": round(with_it),
        "ns_cost": round(statistics.median(costs)),
        "ns_cost_least": round(costs[0]),
        "ns_cost_most": round(costs[-1]),
        "requests": options.requests,
        "rounds": options.rounds,
    }
    print(json.dumps(report, indent=2))  # noqa: T201  # its output
    return int(report["ns_cost"] > MOST_NS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


def _round(counted: ASGIApp, requests: int) -> tuple[float, float]:
    """Nanoseconds a request, without and with: CPU time, so that neighbours on the machine count less."""
    return asyncio.run(_timed(_EDGE, requests)), asyncio.run(_timed(counted, requests))


async def _timed(app: ASGIApp, requests: int) -> float:
    start = time.process_time_ns()
    for _ in range(requests):
        await app(dict(SCOPE), _receive, _send)
    return (time.process_time_ns() - start) / requests


async def _bare(_: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


_EDGE = Edge(_bare)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"{}", "more_body": False}


async def _send(_: Message) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
