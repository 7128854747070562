"""Microseconds that one evaluation of one rule takes: quiet, pending and firing. Prints JSON.

Run: python -m tests.bench.evaluate [--rounds 5] [--json FILE]. Exits 1 above the bound for the quiet case.
"""

import argparse
import json
import statistics
import sys
import timeit
from pathlib import Path

from service.alerts import rules
from service.alerts.evaluate import evaluate
from service.alerts.rule import Measured, Rule, State

BOUND_QUIET_US = 1.0
EVALUATIONS = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in _cases()}
    for _ in range(options.rounds):
        for name, case in _cases().items():
            found[name].append(_microseconds(*case))
    # The least is what the code costs; whatever else runs on the machine only adds to it.
    least = {name: round(min(each), 3) for name, each in found.items()}
    medians = {name: round(statistics.median(each), 3) for name, each in found.items()}
    report = json.dumps(
        {"microseconds_per_rule": least, "medians": medians, "bound_quiet": BOUND_QUIET_US}, indent=2
    )
    print(report)  # noqa: T201  # its output
    if options.json:
        options.json.write_text(report + "\n")
    return 1 if least["quiet"] > BOUND_QUIET_US else 0


def _cases() -> dict[str, tuple[Rule, State, Measured | None]]:
    rule = next(one for one in rules.load() if one.id == "decision-latency-p99")
    pending, _ = evaluate(rule, State(), (900.0, 100), 0.0)
    firing, _ = evaluate(rule, pending, (900.0, 100), 1000.0)
    silent, _ = evaluate(rule, State(), None, 0.0)
    return {
        "quiet": (rule, State(), (20.0, 100)),
        "no_data": (rule, silent, None),
        "pending": (rule, pending, (900.0, 100)),
        "firing": (rule, firing, (900.0, 100)),
    }


def _microseconds(rule: Rule, state: State, measured: Measured | None) -> float:
    now = state.seen_at + 5.0
    return timeit.timeit(lambda: evaluate(rule, state, measured, now), number=EVALUATIONS) / EVALUATIONS * 1e6


if __name__ == "__main__":
    sys.exit(main())
