"""`amas ci`: what a pipeline calls, with its summary and its annotations where it can show them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from loadtests import flow, report, results
from loadtests.baseline import Compared
from loadtests.flow import Outcome, Place, Wishes
from loadtests.plan import Order
from runbook import terminal
from runbook.ci import tell
from runbook.engine import connect
from runbook.errors import AmasError
from runbook.load_runs.alone import alone
from runbook.load_runs.keep import keep_all
from runbook.loadtest import against
from runbook.loadtest.against import Wanted
from runbook.loadtest.command import Profile, Test, exit_code
from runbook.loadtest.place import opened
from runbook.options import AsJson, StackName
from runbook.terminal import Progress

SUMMARY = "summary.md"
JOB_SUMMARY = "GITHUB_STEP_SUMMARY"

app = typer.Typer(
    help="What a pipeline calls; see .github/workflows for one.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def group() -> None:
    """Makes a group of one verb a group all the same."""


@app.command("loadtest")
def load_test(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    test: Test = "mixed",
    profile: Profile = "smoke",
    repeat: Annotated[
        int, typer.Option(min=1, max=20, help="Runs, one after the other; fewer than 4 compare nothing.")
    ] = 4,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="What the pipeline should keep.")] = Path(
        "results"
    ),
    baselines: against.Folder = None,
    require_baseline: against.Require = False,
    set_missing: against.SetMissing = False,
    as_json: AsJson = False,
) -> None:
    """Bring the stack up if none stands, test it, compare, tell. Runs on the host.

    Exit codes as of `amas loadtest run`. The summary goes to FOLDER/summary.md and, where a pipeline names
    one, to GITHUB_STEP_SUMMARY; annotations are printed where GITHUB_ACTIONS is true.
    """
    wanted = Wanted(baselines, required=require_baseline, set_missing=set_missing)
    wanted.check(repeat)
    stand_up(stack, Progress())
    place = opened(stack, None, out)
    order = Order(test, profile, place.url)
    earlier = against.before(order, place, wanted)
    with alone(stack, place.progress.say):
        series = run_all(stack, order, place, repeat)
    outcomes = series.outcomes
    compared = earlier.judged(outcomes, datetime.now(UTC))
    report.write_all(outcomes[-1], compared)
    runs = [results.read(one.folder) for one in outcomes]
    comments = [(one.folder / report.COMMENT).read_text(encoding="utf-8") for one in outcomes]
    show_summary(tell.summary(runs, compared.sentence, comments, series.missing), out, os.environ)
    told = tell.annotations(runs, compared) if os.environ.get("GITHUB_ACTIONS") == "true" else []
    _show([report.told(one) for one in runs], compared, out, [*told, *series.said], as_json=as_json)
    if series.broken:
        raise series.broken
    code = exit_code(outcomes, compared, required=require_baseline)
    if code:
        raise typer.Exit(code)


def stand_up(stack: str, progress: Progress) -> None:
    """A stack that stands is tested as it is: a release is not what a test should change."""
    if any(one.state == "running" for one in connect().containers(stack, "api")):
        progress.say(f"stack {stack} stands")
        return
    from runbook.up import flow as up  # noqa: PLC0415 - host only: builds tools and images

    up.bring_up(up.Plan(stack, (), with_smoke=True, prepare_only=False), progress)


@dataclass
class Series:
    """Runs that ended; `broken` is why one after them did not."""

    outcomes: list[Outcome] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    broken: AmasError | None = None

    @property
    def missing(self) -> str | None:
        return f"run {len(self.outcomes) + 1}: {self.broken.message}" if self.broken else None


def run_all(stack: str, order: Order, place: Place, repeat: int) -> Series:
    """The last one may be cut short. One that breaks off takes none before it along."""
    series = Series()
    while len(series.outcomes) < repeat:
        try:
            outcome = flow.load_test(order, place, datetime.now(UTC), Wishes())
        except AmasError as error:
            if not series.outcomes:
                raise
            series.broken = error
            break
        series.outcomes.append(outcome)
        report.write_all(outcome, None)
        series.said += keep_all(stack, [outcome.facts()])
        if outcome.ended.interrupted:
            break
    return series


def show_summary(text: str, out: Path, environ: Mapping[str, str]) -> None:
    """A job's summary is added to: other steps write there as well."""
    results.write(out / SUMMARY, text)
    if path := environ.get(JOB_SUMMARY):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def _show(
    runs: Sequence[Mapping[str, Any]], compared: Compared, out: Path, said: Sequence[str], *, as_json: bool
) -> None:
    if as_json:
        terminal.show_json(
            {
                "verdict": tell.verdict(runs),
                "baseline": compared.answer,
                "why": list(compared.incomparable),
                "folder": str(out),
                "runs": runs,
                "said": said,
            }
        )
    else:
        for line in said:
            terminal.show_line(line)
        terminal.show_lines(
            [f"load test {tell.verdict(runs)}, against the baseline: {compared.sentence}", f"kept in   {out}"]
        )
