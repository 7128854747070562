"""`amas upgrade`, `amas rollback`."""

from dataclasses import asdict
from typing import Annotated

import typer

from runbook import consent, terminal
from runbook.consent import Yes
from runbook.engine import connect
from runbook.options import AsJson, StackName
from runbook.stack import Stack
from runbook.terminal import Progress


def upgrade(
    stack: StackName,
    config: Annotated[
        list[str] | None, typer.Option("--config", metavar="KEY=VALUE", help="Set and keep a setting.")
    ] = None,
    verify_s: Annotated[
        float, typer.Option("--verify-s", min=0, max=86_400, help="Seconds it is watched before it counts.")
    ] = 60.0,
    standing: Annotated[
        str | None,
        typer.Option(metavar="COMMIT", help="What runs was brought up from it; needed the first time only."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Release this checkout, and take it back by itself if it fails. Runs on the host.

    Looks first (version, disk, a fresh and proven backup), takes a backup, migrates, rolls replica by
    replica, sends the smoke test and watches the objectives. Exits with 1 when it had to go back.
    """
    from runbook.upgrade import flow  # noqa: PLC0415 - host only: builds tools and images

    progress = Progress()
    done = flow.upgrade(flow.Plan(stack, tuple(config or ()), verify_s, standing), connect(), progress)
    if as_json:
        terminal.show_json({**asdict(done), "steps": dict(progress.finished)})
    else:
        terminal.show_lines(
            [f"release {done.number} is in force, {done.changed} resources changed", "back    amas rollback"]
        )


def rollback(
    stack: StackName,
    to: Annotated[
        int | None,
        typer.Option("--to", min=1, metavar="RELEASE", help="Default: the last good one before this."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a release of before in force again: images, settings, rules, program. Runs on the host.

    Data and secrets stay as they are. Replicas roll one by one; the next `amas up` goes forward again.
    """
    from runbook.up.sole import free_stale_lock, sole_run  # noqa: PLC0415 - host only: works on the state
    from runbook.upgrade.rollback import catch_up, chosen, roll_back, still_chosen  # noqa: PLC0415

    engine, progress, held = connect(), Progress(), Stack(stack)
    catch_up(held)
    wanted = chosen(stack, to)
    if not as_json:
        terminal.show_lines([f"release {wanted.number} of {wanted.at}, version {wanted.version}"])
    consent.demand(stack, f"roll back to release {wanted.number}", yes=yes)
    with sole_run(stack), progress.step(f"back to release {wanted.number}"):
        free_stale_lock(held, progress)
        still_chosen(stack, to, wanted)
        done = roll_back(held, wanted, engine, progress)
    if as_json:
        terminal.show_json({**asdict(done), "steps": dict(progress.finished)})
    else:
        left = f"; release {done.left} comes back with: amas up" if done.left != done.number else ""
        terminal.show_lines([f"release {done.number} is in force again{left}"])
