"""`amas loadtest`: section 9 of the runbook."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from loadtests import baseline, baseline_file, flow, report, results
from loadtests.catalog import TESTS, catalog
from loadtests.flow import Outcome, Place, Wishes
from loadtests.plan import Order
from runbook import terminal
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.groups import ListByDefault
from runbook.load_runs import leftovers
from runbook.load_runs.alone import alone
from runbook.load_runs.keep import keep_all
from runbook.loadtest import against
from runbook.loadtest.against import Wanted
from runbook.loadtest.place import opened
from runbook.options import AsJson, StackName

INVALID, WORSE, INTERRUPTED = 4, 5, 130

app = typer.Typer(
    cls=ListByDefault,
    help="Load tests: list (when none is named), plan, run, compare, purge, baseline.\n\n"
    "Exit codes: 0 passed, 1 failed, 2 wrong usage or refused, 3 something is missing (a baseline that "
    "--require-baseline asks for, too), 4 invalid: nothing can be said, 5 worse than the baseline, 130 "
    "interrupted. Of several the first of 2, 130, 4, 1, 5, 3.",
    rich_markup_mode=None,
)
baseline_app = typer.Typer(help="What runs are compared with.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(baseline_app, name="baseline")

Test = Annotated[str, typer.Argument(help=", ".join(TESTS) + ".")]
Profile = Annotated[str, typer.Option(help="One of those that `amas loadtest list` shows.")]
Address = Annotated[str | None, typer.Option(envvar="AMAS_URL", help="A host of loadtests/targets.toml.")]
Duration = Annotated[float | None, typer.Option(metavar="SECONDS", help="Of what is measured.")]
Rate = Annotated[float | None, typer.Option(help="Requests a second, of an open model.")]
Concurrency = Annotated[int | None, typer.Option(help="Users, of a closed model.")]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="For results. Default: results.")]


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """What there is to run, and where it may go. Runs on the host and inside the network."""
    known = catalog()
    if as_json:
        terminal.show_json(
            {
                "tests": list(TESTS),
                "profiles": {
                    one.name: {"model": one.model, "about": one.about} for one in known.profiles.values()
                },
                "targets": {
                    one.name: {"kind": one.kind, "hosts": one.hosts} for one in known.targets.values()
                },
            }
        )
        return
    terminal.show_lines([f"tests: {', '.join(TESTS)}", ""])
    terminal.show_table(
        ["profile", "model", ""], [[one.name, one.model, one.about] for one in known.profiles.values()]
    )
    terminal.show_table(
        ["target", "kind", "hosts"],
        [[one.name, one.kind, ", ".join(one.hosts)] for one in known.targets.values()],
    )


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - one parameter an option
    test: Test,
    stack: StackName,
    profile: Profile = "smoke",
    url: Address = None,
    duration: Duration = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    as_json: AsJson = False,
) -> None:
    """What a run would send, and whether it may. Sends nothing. Runs on the host and inside the network."""
    place = opened(stack, url, None)
    order = Order(test, profile, place.url, duration, rate, concurrency)
    made, refusals = flow.looked_up(order, place, datetime.now(UTC))
    if as_json:
        terminal.show_json({**made.facts(), "refused": refusals})
    else:
        rows = [
            [one.name, f"{one.start_s:g} s", f"{one.duration_s:g} s", one.options["executor"]]
            for one in made.scenarios
        ]
        terminal.show_table(["part", "from", "for", ""], rows)
        limits = made.facts()["limits"]
        terminal.show_lines([f"{name} {value:g}" for name, value in limits.items() if value is not None])
        terminal.show_lines([f"at {made.url}, which says it is {made.kind}"])
    if refusals:
        raise CheckFailed("\n".join(["would be refused", *refusals]), "amas loadtest list")


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    test: Test,
    stack: StackName,
    profile: Profile = "smoke",
    url: Address = None,
    duration: Duration = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Runs, one after the other.")] = 1,
    out: Out = None,
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A copy of load-test-summary.txt.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the run's rows stored.")] = False,
    keep_results: Annotated[
        int | None,
        typer.Option("--keep-results", min=1, metavar="N", help="Take away all results but the newest N."),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="Outside its window, or while alerts fire: type its name."),
    ] = None,
    baselines: against.Folder = None,
    require_baseline: against.Require = False,
    set_missing: against.SetMissing = False,
    as_json: AsJson = False,
) -> None:
    """Send load and judge what came of it. Runs on the host and inside the network.

    Rows are counted against what was accepted and purged; no alert may fire; compared with the baseline.
    """
    wanted = Wanted(baselines, required=require_baseline, set_missing=set_missing)
    wanted.check(repeat)
    place = opened(stack, url, out)
    order = Order(test, profile, place.url, duration, rate, concurrency)
    earlier = against.before(order, place, wanted)
    outcomes: list[Outcome] = []
    try:
        with alone(stack, place.progress.say):
            while len(outcomes) < repeat and not (outcomes and outcomes[-1].ended.interrupted):
                outcomes.append(_once(stack, order, place, Wishes(override, keep)))
    finally:
        if keep_results:
            results.prune(place.results, keep_results, datetime.now(UTC), [one.folder for one in outcomes])
    last = outcomes[-1]
    compared = earlier.judged(outcomes, datetime.now(UTC))
    report.write_all(last, compared)
    if summary:
        report.copy_text(last, compared, summary)
    if as_json:
        runs = [report.told(results.read(one.folder)) for one in outcomes]
        terminal.show_json(runs if repeat > 1 else runs[0])
    else:
        terminal.show_lines([*report.text(last, compared).splitlines(), f"report: {last.folder}"])
    code = exit_code(outcomes, compared, required=require_baseline)
    if code:
        raise typer.Exit(code)


def _once(stack: str, order: Order, place: Place, wishes: Wishes) -> Outcome:
    """One run, kept at once: a later one may never end."""
    outcome = flow.load_test(order, place, datetime.now(UTC), wishes)
    report.write_all(outcome, None)
    for problem in keep_all(stack, [outcome.facts()]):
        place.progress.say(problem)
    return outcome


def exit_code(outcomes: list[Outcome], compared: baseline.Compared, *, required: bool) -> int:
    """The first that holds, so that nothing covers up something worse."""
    words = {one.verdict.word for one in outcomes}
    if any(one.ended.interrupted for one in outcomes):
        return INTERRUPTED
    if "invalid" in words:
        return INVALID
    if "failed" in words:
        return CheckFailed.exit_code
    if compared.answer == "worse":
        return WORSE
    if required and compared.answer in {"none", "not comparable"}:
        return EnvironmentMissing.exit_code
    return 0


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Folders of runs, the later ones.")],
    before: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="RESULT", help="Earlier ones; else the baseline."),
    ] = None,
    baselines: against.Folder = None,
    as_json: AsJson = False,
) -> None:
    """Whether runs are better, the same or worse, or too few or too noisy to tell. Runs on the host.

    Exits with 5 when worse, 3 when not comparable.
    """
    after = [results.read(one) for one in runs]
    if before:
        held = [results.read(one) for one in before]
    else:
        held = baseline_file.read(baseline_file.of(after[0], _folder(baselines)))["runs"]
    found = baseline.compare(held, after)
    if as_json:
        terminal.show_json(baseline.facts(found))
    else:
        terminal.show_table(
            ["figure", "", "before", "after", ""],
            [
                [one.figure, one.answer, f"{one.before:.4g}", f"{one.after:.4g}", one.detail]
                for one in found.lines
            ],
        )
        terminal.show_lines([found.sentence, *found.incomparable])
    if found.incomparable:
        raise typer.Exit(EnvironmentMissing.exit_code)
    if found.answer == "worse":
        raise typer.Exit(WORSE)


@app.command()
def purge(stack: StackName, url: Address = None, as_json: AsJson = False) -> None:
    """Take away rows of load tests cut off over a day ago. Runs on the host and inside the network.

    A run purges its own rows; one that was killed could not. What `--keep` left stays: it is on record.
    Exits with 1 when rows are left.
    """
    left = leftovers.purge(stack, opened(stack, url, None).service, datetime.now(UTC))
    if as_json:
        terminal.show_json({"left": left})
    else:
        lines = [f"{run_id}: {count:,} rows left" for run_id, count in left.items()]
        terminal.show_lines(lines or ["no load test left rows"])
    if any(left.values()):
        raise typer.Exit(CheckFailed.exit_code)


@baseline_app.command("set")
def set_baseline(
    runs: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Folders of runs that passed.")],
    reason: Annotated[str, typer.Option(help="Why it changes.")],
    baselines: against.Folder = None,
    as_json: AsJson = False,
) -> None:
    """Make these runs what later ones are compared with; four or more. Runs on the host."""
    made = [results.read(one) for one in runs]
    path = baseline_file.keep(made, reason, datetime.now(UTC), _folder(baselines))
    if as_json:
        terminal.show_json({"file": str(path)})
    else:
        terminal.show_lines([f"{path}: commit it"])


@baseline_app.command("show")
def show_baseline(
    test: Test,
    profile: Profile = "smoke",
    kind: Annotated[str, typer.Option(help="Of the target.")] = "development",
    baselines: against.Folder = None,
    as_json: AsJson = False,
) -> None:
    """The runs that later ones of this machine are compared with. Runs on the host."""
    place = baseline_file.Place(kind, baseline.mark(baseline.this_machine()), _folder(baselines))
    held = baseline_file.read(place.file(test, profile))
    if as_json:
        terminal.show_json(held)
        return
    rows = [
        [f"{one['result']['p95_ms']:.1f}", f"{one['result']['p99_ms']:.1f}", f"{one['result']['rate']:.1f}"]
        for one in held["runs"]
    ]
    terminal.show_table(["P95 ms", "P99 ms", "requests/s"], rows)
    terminal.show_lines([f"set {held['set']}: {held['reason']}"])


def _folder(baselines: Path | None) -> Path:
    return baselines or baseline_file.FOLDER
