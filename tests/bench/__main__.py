"""All figures of the service in one run: contenders take turns on the same stores, so ratios mean something.

`python -m tests.bench [--seconds 5] [--rounds 3]`; `python -m tests.prove bench` keeps what it says.
While working on one figure, `--only NDJSON --only COPY` runs the contenders named so, and judges what it can.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence

from tests.bench.chunks import uncached_reads
from tests.bench.contenders import Contender, contenders
from tests.bench.ground import Ground, ground
from tests.bench.load import Result

# What the ratio of the first to the second has to reach.
RATIOS = {
    "durable ingest, 64 connections, to commit per request": (
        "group commit, 64",
        "commit per request, 64",
        3.0,
    ),
    "durable ingest, 64 connections, to pgbench": ("group commit, 64", "pgbench, a row per commit, 64", 1.0),
    "durable ingest, 4 connections, to commit per request": ("group commit, 4", "commit per request, 4", 1.0),
    "durable ingest, with metrics to without": ("group commit, 64", "group commit, 64, no metrics", 0.95),
    "NDJSON to COPY and merge": ("NDJSON, 500 lines", "COPY and merge, 500 rows", 0.6),
    "cached read to a bare route": ("cached read", "bare JSON route", 0.6),
}
# Two runs of one program differ by 6 % here, more than this limit leaves: it is told from so many turns more.
CLOSE = "durable ingest, with metrics to without"
CLOSE_ROUNDS = 16
# Connections made, statements prepared, code of the interpreter specialised.
WARM_UP_S = 1.0
Rounds = Mapping[str, list[Result]]


def main() -> int:
    options = _options()
    with ground() as stores:
        rounds = _rounds(stores, options.rounds, options.seconds, options.only)
        close: Rounds = {}
        reads: Result = {}
        if not options.only:
            close = _rounds(stores, CLOSE_ROUNDS, options.seconds, RATIOS[CLOSE][:2])
            stores.emptied()
            reads = uncached_reads(stores)
    figures = judged(rounds, close, reads)
    told = {"figures": figures, "rounds": rounds, "close rounds": close, "uncached": reads}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    sys.stdout.write("\n".join(_line(name, figure) for name, figure in figures.items()) + "\n")
    return 0 if all(figure["reached"] for figure in figures.values()) else 1


def _rounds(stores: Ground, count: int, seconds: float, only: Sequence[str]) -> Rounds:
    rounds: dict[str, list[Result]] = {}
    for number in range(count):
        with contextlib.ExitStack() as processes:
            turns = list(_chosen(contenders(stores, processes), only).items())
            # There and back again: what one leaves behind, such as a checkpoint, meets both neighbours.
            for name, contend in turns if number % 2 == 0 else reversed(turns):
                result = _turn(stores, contend, seconds)
                rounds.setdefault(name, []).append(result)
                sys.stderr.write(f"round {number + 1} {name}: {json.dumps(result)}\n")
    return rounds


def _turn(stores: Ground, contend: Contender, seconds: float) -> Result:
    """Warmed up first: each round has processes of its own, since two of one program differ by percents."""
    stores.emptied()
    contend(WARM_UP_S)
    stores.emptied()
    return contend(seconds) | {"load_before": round(os.getloadavg()[0], 1)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], help="contenders whose name holds this")
    return parser.parse_args()


def _chosen(turns: Mapping[str, Contender], only: Sequence[str]) -> dict[str, Contender]:
    chosen = {name: one for name, one in turns.items() if not only or any(part in name for part in only)}
    if not chosen:
        raise SystemExit(f"bench: no contender is named {' or '.join(only)}; there are {', '.join(turns)}")
    return chosen


def judged(rounds: Rounds, close: Rounds, reads: Result) -> dict[str, dict[str, object]]:
    """Each figure with what it has to reach: the median of the rounds' ratios, each within its round."""
    figures: dict[str, dict[str, object]] = {}
    for name, (ours, theirs, least) in RATIOS.items():
        turns = close if close and name == CLOSE else rounds
        if ours in turns and theirs in turns:
            pairs = zip(turns[ours], turns[theirs], strict=True)
            ratios = [one["per_s"] / other["per_s"] for one, other in pairs]
            figure = _figure(statistics.median(ratios), least, at_most=False)
            figures[name] = figure | {"of": _rounded(ratios)}
    for name, key, limit in (
        ("CPU s per 1,000 rows, service and database", "cpu_s_per_1000_rows", 0.10),
        ("P99 of durable ingest, ms", "p99_ms", 50),
    ):
        if durable := [one[key] for one in rounds.get("group commit, 64", ())]:
            figures[name] = _figure(statistics.median(durable), limit)
    for name, key in (("UUIDv7", "by_time_p95_ms"), ("free id", "by_key_p95_ms")):
        if key in reads:
            figures[f"uncached read by {name} over 90 chunks, P95 ms"] = _figure(reads[key], 5)
    return figures


def _figure(value: float, limit: float, *, at_most: bool = True) -> dict[str, object]:
    reached = value <= limit if at_most else value >= limit
    return {"value": round(value, 3), "limit": limit, "reached": reached}


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 2) for value in values]


def _line(name: str, figure: Mapping[str, object]) -> str:
    return f"{'ok  ' if figure['reached'] else 'MISS'} {figure['value']:>8} (limit {figure['limit']}) {name}"


if __name__ == "__main__":
    sys.exit(main())
