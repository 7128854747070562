"""Runs compared with earlier ones: their figures, and the facts that must be alike to compare at all."""

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from loadtests.catalog import HERE
from loadtests.k6 import cpus
from loadtests.plan import Plan
from loadtests.statistics import Answer, Comparison, Figure, compared, least_runs

# Figure, its place in a result, and whether more of it is better.
HEADLINES = (("P95 ms", "p95_ms", False), ("P99 ms", "p99_ms", False), ("requests/s", "rate", True))
# A share of errors may well be 0, so that it is compared as it is: more than this more is worse.
MOST_MORE_ERRORS = 0.001


LEAST_RUNS = least_runs(len(HEADLINES))
NEEDED = f"needs at least {LEAST_RUNS} runs a side"


@dataclass(frozen=True)
class Line:
    """One figure compared."""

    figure: str
    answer: Answer
    before: float
    after: float
    detail: str


@dataclass(frozen=True)
class Compared:
    """All of them. The worst answer is that of the whole; what cannot be compared says why.

    Figures are judged together, so that the level of `statistics.ALPHA` is that of the whole; errors are not
    left to chance, but held against a limit.
    """

    lines: tuple[Line, ...] = ()
    incomparable: tuple[str, ...] = ()
    too_few: bool = False
    # There is none for this machine.
    missing: bool = False
    # The file that these runs stand in now, to be compared with from here on.
    became: str | None = None

    @property
    def answer(self) -> str:
        if self.became:
            return "set"
        if self.missing:
            return "none"
        if self.incomparable:
            return "not comparable"
        found = {one.answer for one in self.lines}
        return next((one for one in ("worse", "unclear", "better") if one in found), "same")

    @property
    def sentence(self) -> str:
        if self.answer == "set":
            return f"set by these runs, {'where none was' if self.missing else 'in place of another'}"
        if self.answer == "none":
            return "none for this machine"
        return f"{self.answer}: {NEEDED}" if self.too_few and self.answer == "unclear" else self.answer


def fingerprint(plan: Plan, k6_version: str, replicas: int) -> dict[str, str]:
    """What makes two runs comparable, as far as it can be seen from here."""
    return {
        "test": plan.test,
        "profile": plan.profile,
        "load": _hash(json.dumps(plan.options(), sort_keys=True)),
        "scripts": _hash("".join(one.read_text(encoding="utf-8") for one in scripts(plan.test))),
        "k6": k6_version,
        **this_machine(),
        "target": f"{plan.target}, {plan.kind}",
        "replicas": str(replicas),
    }


def this_machine() -> dict[str, str]:
    return {"cpu": _cpu(), "cpus": f"{cpus():g}"}


def mark(fingerprint: Mapping[str, str]) -> str:
    """Of the machine: a pipeline's next run may be on another, and then again on this one."""
    return _hash(f"{fingerprint.get('cpu')}, {fingerprint.get('cpus')}")[:6]


def scripts(test: str) -> list[Path]:
    return [HERE / "k6" / f"{test}.js", *sorted((HERE / "k6/lib").glob("*.js"))]


def compare(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Compared:
    """Of results in either group only those that measured something count."""
    old, new = _measured(before), _measured(after)
    if not old or not new:
        return Compared(incomparable=("no run that measured something on one side",))
    unlike = tuple(differing(old[0]["fingerprint"], [*old[1:], *new]))
    if unlike:
        return Compared(incomparable=unlike)
    pairs = [Figure(_column(old, figure), _column(new, figure), more) for _, figure, more in HEADLINES]
    names = [name for name, _, _ in HEADLINES]
    lines = [_line(*one) for one in zip(names, pairs, compared(pairs), strict=True)]
    return Compared((*lines, _errors(old, new)), too_few=min(len(old), len(new)) < LEAST_RUNS)


def _column(runs: Sequence[Mapping[str, Any]], figure: str) -> list[float]:
    return [one["result"][figure] for one in runs]


def _measured(runs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in runs if one["result"] and one["verdict"] != "invalid"]


def facts(found: Compared) -> dict[str, Any]:
    return {
        "answer": found.answer,
        "lines": [asdict(one) for one in found.lines],
        "why": list(found.incomparable),
        "became": found.became,
    }


def _line(name: str, pair: Figure, found: Comparison) -> Line:
    return Line(name, found.answer, median(pair.before), median(pair.after), _told(pair, found))


def _told(pair: Figure, found: Comparison) -> str:
    runs = len(pair.before), len(pair.after)
    told = f"{found.change:+.1%}, p {found.p:.3f}, noise {found.noise:.1%}, {runs[0]} against {runs[1]} runs"
    return f"{told}; {NEEDED}" if min(runs) < LEAST_RUNS else told


def _errors(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Line:
    before, after = (median([one["result"]["error_share"] or 0.0 for one in group]) for group in (old, new))
    more = after - before
    answer: Answer = "worse" if more > MOST_MORE_ERRORS else "better" if more < -MOST_MORE_ERRORS else "same"
    return Line("error %", answer, 100 * before, 100 * after, f"{100 * more:+.3f} points")


def differing(first: Mapping[str, str], others: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {
        f"{name}: {first.get(name)!r} and {other['fingerprint'].get(name)!r}"
        for other in others
        for name in first.keys() | other["fingerprint"].keys()
        if first.get(name) != other["fingerprint"].get(name)
    }
    return sorted(found)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _cpu() -> str:
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        known = ""
    found = re.search(r"^model name\s*: (.*)$", known, re.MULTILINE)
    return found[1] if found else platform.machine()
