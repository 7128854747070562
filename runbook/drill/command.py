"""`amas drill`: section 8.3 of the runbook, a fault on purpose and the proof that it is survived."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runbook import terminal
from runbook.drill import fault as faults
from runbook.drill import report
from runbook.errors import CheckFailed, UsageError
from runbook.options import AsJson, StackName
from runbook.terminal import Progress


def drill(
    fault: Annotated[str, typer.Argument(help="db, cache, queue, replica, disk, webhook or all.")],
    stack: StackName,
    on: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Drill this stack as it stands: type its name, as --stack has it."),
    ] = None,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Posts a second meanwhile.")] = 40.0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For the report. Default: .amas/drills.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Break something on purpose and prove that it is survived. Runs on the host.

    On a stack of its own, made for it and taken away after (some minutes), unless --on names one. Holds
    when no acknowledged trace is lost, the alert is told in time and all is well again in time. disk fills
    the spool's space by a ballast, never the host's disk. Exits with 1 when something did not hold.
    """
    from runbook.drill import place, run  # noqa: PLC0415 - host only: releases by pulumi

    refuse_other_name(stack, on)
    wanted = faults.chosen(fault, has_receiver=on is None)
    progress, began = Progress(), datetime.now(UTC)
    where = place.standing(on, rate) if on else place.of_its_own(rate, progress)
    with where as held:
        drilled = [run.drill(one, held, progress) for one in wanted]
    path = report.written(held.stack.name, began, drilled, out)
    if as_json:
        terminal.show_json({**report.facts(held.stack.name, began, drilled), "report": str(path)})
    else:
        terminal.show_table(["drill", "", "found"], report.rows(drilled))
        terminal.show_lines([f"report: {path}"])
    if not all(one.passed for one in drilled):
        raise typer.Exit(CheckFailed.exit_code)


def refuse_other_name(stack: str, typed: str | None) -> None:
    """The name typed is the consent: what the stack serves is broken for some minutes."""
    if typed is not None and typed != stack:
        raise UsageError(
            f"--on {typed!r} is not the stack `{stack}`: nothing was touched", f"amas drill db --on {stack}"
        )
