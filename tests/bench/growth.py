"""What a stored row costs as the table grows, and what more replicas bring on this machine.

`python -m tests.bench.growth [--small 1000000] [--large 20000000] [--runs 5] [--seconds 6]`; the large table
takes about 10 GB of disk and ten minutes to fill. `python -m tests.prove growth` keeps what it says.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.bench.contenders import MANY, OURS
from tests.bench.ground import Ground, Served, container_cpu_s, ground, served
from tests.bench.load import Result, wrk_for

HERE = Path(__file__).parent
SCRIPT = "mixed.lua"
# A row must not cost more than this many times as much in the large table.
MOST_RATIO = 1.2
FILLED_AT_ONCE = 500_000
REPLICAS = (1, 2, 4)
WARM_UP_S = 3.0


@dataclass(frozen=True)
class Table:
    """A database with so many rows, and the service in front of it."""

    stores: Ground
    server: Served
    rows: int

    def cpu_s(self) -> tuple[float, float]:
        return self.server.cpu_s(), container_cpu_s(self.stores.database.container)


def main() -> int:
    options = _options()
    with standing("small", options.small) as small, standing("large", options.large) as large:
        runs = interleaved((small, large), options.runs, options.seconds)
    with ground("replicas") as stores:
        replicas = [throughput(stores, count, options.seconds) for count in REPLICAS]
    ratio = statistics.median(runs[1]) / statistics.median(runs[0])
    told = {
        "rows": [options.small, options.large],
        "cpu_s_per_1000_rows": [[round(one, 4) for one in costs] for costs in runs],
        "ratio_of_medians": round(ratio, 3),
        "most_ratio": MOST_RATIO,
        "replicas": replicas,
        "cpus": os.cpu_count(),
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0 if ratio <= MOST_RATIO else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--small", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    return parser.parse_args()


@contextlib.contextmanager
def standing(name: str, rows: int) -> Iterator[Table]:
    with ground(name) as stores:
        fill(stores, rows)
        with served(stores, *OURS) as server:
            wrk_for(SCRIPT, f"{server.url}/api/decisions", MANY, WARM_UP_S)
            yield Table(stores, server, rows)


def fill(stores: Ground, rows: int) -> None:
    statement = (HERE / "fill.sql").read_bytes()
    with psycopg.connect(stores.database.url("owner"), autocommit=True) as connection:
        for first in range(1, rows + 1, FILLED_AT_ONCE):
            last = min(first + FILLED_AT_ONCE - 1, rows)
            connection.execute(statement, {"first": first, "last": last})
            sys.stderr.write(f"filled {last} of {rows}\n")
        for table in (b"decision_insights", b"decision_keys"):
            connection.execute(b"ANALYZE " + table)
    stores.database.rows("CHECKPOINT", role="owner")


def interleaved(tables: Sequence[Table], runs: int, seconds: float) -> list[list[float]]:
    """CPU seconds per 1,000 rows: the tables take turns, so that what else the machine does meets both."""
    costs: list[list[float]] = [[] for _ in tables]
    for number in range(runs):
        for place, table in enumerate(tables):
            cost, result = _cost(table, seconds)
            costs[place].append(cost)
            sys.stderr.write(f"run {number + 1} at {table.rows}: {cost:.4f} {json.dumps(result)}\n")
    return costs


def _cost(table: Table, seconds: float) -> tuple[float, Result]:
    before = table.cpu_s()
    result = wrk_for(SCRIPT, f"{table.server.url}/api/decisions", MANY, seconds)
    spent = sum(late - early for early, late in zip(before, table.cpu_s(), strict=True))
    return 1000 * spent / result["requests"], result


def throughput(stores: Ground, replicas: int, seconds: float) -> dict[str, object]:
    """All replicas at once, the connections shared among them; how much of the processors each part takes."""
    stores.emptied()
    with contextlib.ExitStack() as processes:
        servers = [processes.enter_context(served(stores, *OURS)) for _ in range(replicas)]
        before = [one.cpu_s() for one in servers], container_cpu_s(stores.database.container)
        started = time.monotonic()
        results = at_once([f"{one.url}/api/decisions" for one in servers], seconds)
        took_s = time.monotonic() - started
        service = sum(one.cpu_s() for one in servers) - sum(before[0])
        database = container_cpu_s(stores.database.container) - before[1]
    return {
        "replicas": replicas,
        "per_s": round(sum(one["per_s"] for one in results)),
        "p99_ms": max(one["p99_ms"] for one in results),
        "service_cores": round(service / took_s, 2),
        "database_cores": round(database / took_s, 2),
    }


def at_once(urls: Sequence[str], seconds: float) -> list[Result]:
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(lambda url: wrk_for(SCRIPT, url, MANY // len(urls), seconds), urls))


if __name__ == "__main__":
    sys.exit(main())
