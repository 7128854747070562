"""What the runs of one command are compared with: read before they begin, compared when they have ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from loadtests import baseline, baseline_file, flow
from loadtests.baseline import LEAST_RUNS, Compared
from loadtests.flow import Outcome, Place
from loadtests.plan import Order
from runbook.errors import EnvironmentMissing, UsageError

Folder = Annotated[
    Path | None,
    typer.Option("--baselines", metavar="FOLDER", help="Where they lie. Default: loadtests/baselines."),
]
Require = Annotated[
    bool, typer.Option("--require-baseline", help="Exit with 3 when there is none to compare with.")
]
SetMissing = Annotated[
    bool,
    typer.Option(
        "--set-missing-baseline",
        help=f"Where this machine has none that is comparable, {LEAST_RUNS} runs that passed become it.",
    ),
]


@dataclass(frozen=True)
class Wanted:
    """How to compare."""

    folder: Path | None = None
    required: bool = False
    set_missing: bool = False

    def check(self, repeat: int) -> None:
        """Raises UsageError for what cannot be."""
        if self.set_missing and self.required:
            raise UsageError(
                "--set-missing-baseline with --require-baseline: give one of them, since one makes what the "
                "other asks for",
                "amas loadtest run --help",
            )
        if self.set_missing and repeat < LEAST_RUNS:
            raise UsageError(
                f"--set-missing-baseline with --repeat {repeat}: must be {LEAST_RUNS} or more, since fewer "
                "runs tell of no change",
                f"amas loadtest run TEST --repeat {LEAST_RUNS} --set-missing-baseline",
            )


@dataclass(frozen=True)
class Against:
    """The runs there were before, if any."""

    held: dict[str, Any] | None
    wanted: Wanted

    def judged(self, outcomes: Sequence[Outcome], now: datetime) -> Compared:
        runs = [one.facts() for one in outcomes]
        found = Compared(missing=True) if self.held is None else baseline.compare(self.held["runs"], runs)
        if self.wanted.set_missing and (found.missing or found.incomparable):
            return _set(found, runs, now, self.wanted.folder or baseline_file.FOLDER)
        return found


def before(order: Order, place: Place, wanted: Wanted) -> Against:
    """Raises, before any load, for one that is broken, or missing though required."""
    machine = baseline.mark(baseline.this_machine())
    lie = baseline_file.Place(flow.kind(order, place), machine, wanted.folder or baseline_file.FOLDER)
    path = lie.file(order.test, order.profile)
    held = baseline_file.read_if_there(path)
    if wanted.required and held is None:
        raise EnvironmentMissing(f"there is no baseline {path}: nothing was sent", baseline_file.SET)
    return Against(held, wanted)


def _set(found: Compared, runs: list[dict[str, Any]], now: datetime, folder: Path) -> Compared:
    reasons = [f"not set: {one}" for one in baseline_file.reasons_against(runs)]
    if reasons:
        return replace(found, incomparable=(*found.incomparable, *reasons))
    why = "; ".join(found.incomparable) or "there was none"
    path = baseline_file.keep(runs, f"set by the runs themselves: {why}", now, folder)
    return replace(found, became=str(path))
