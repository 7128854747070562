"""What a series of runs is compared with, and what it becomes where there is nothing like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from loadtests import baseline, watch
from loadtests.baseline import Compared, Runs
from loadtests.flow import Outcome, Place
from loadtests.plan import Order
from runbook.errors import EnvironmentMissing

NONE = "there is none"
SET = "there was none like it; these runs are it from now on"

Require = Annotated[
    bool, typer.Option("--require-baseline", help="Exit with 3 when there is none to compare with.")
]
Folder = Annotated[
    Path,
    typer.Option(
        "--baselines", metavar="FOLDER", show_default=False, help="Where they are. Default: in this checkout."
    ),
]
SetMissing = Annotated[
    bool,
    typer.Option(
        "--set-missing-baseline",
        help=f"Where none fits load and machine, {baseline.LEAST_RUNS} runs or more that passed become it.",
    ),
]


@dataclass(frozen=True)
class Against:
    """As a person wishes it."""

    folder: Path = baseline.FOLDER
    required: bool = False
    set_missing: bool = False

    def looked_up(self, order: Order, place: Place) -> list[Runs]:
        """Before anything is sent: a broken file, or none where one is required, must not cost the run."""
        kind = str(watch.asked(place.service, watch.MONITORING).get("environment"))
        found = baseline.held(kind, order.test, order.profile, self.folder)
        if self.required and not found:
            raise EnvironmentMissing(
                f"there is no baseline of {order.test} {order.profile} for {kind} in {self.folder}",
                "amas loadtest run without --require-baseline, then: amas loadtest baseline set RESULT...",
            )
        return found

    def judged(self, known: Sequence[Runs], outcomes: Sequence[Outcome]) -> tuple[Compared | None, str]:
        """The comparison, and the answer in words."""
        runs = [one.facts() for one in outcomes]
        found = baseline.against(known, runs)
        if found and not found.incomparable:
            return found, found.answer
        if self.set_missing and baseline.keep_of_machine(runs, datetime.now(UTC), self.folder):
            return None, SET
        return found, found.answer if found else NONE
