"""`amas schedule`: what runs by itself and how it went; the host's own timers."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from runbook import terminal
from runbook.answers import body_of
from runbook.api import Api
from runbook.errors import CheckFailed
from runbook.groups import ListByDefault
from runbook.health import opened
from runbook.options import AsJson, StackName, Url
from runbook.schedule import install as installing
from runbook.schedule.host import Timer
from runbook.schedule.standing import ROUTE, Standing, closing_line, standings

app = typer.Typer(
    cls=ListByDefault,
    help="What runs by itself: list (when none is named), install.",
    rich_markup_mode=None,
)


@app.command("list")
def show(stack: StackName, url: Url = None, as_json: AsJson = False) -> None:
    """Each job with its next and its last run. Runs on the host and inside the network.

    Exits with 1 when one is late or failed the last time.
    """
    now = datetime.now(UTC)
    with opened(url, stack) as api:
        found = look(api, now)
    if as_json:
        terminal.show_json({"jobs": [one.as_json() for one in found]})
    else:
        if found:
            terminal.show_table(["job", "next", "last", "result", ""], [one.cells(now) for one in found])
        terminal.show_lines([closing_line(found)])
    if not all(one.is_well for one in found):
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def install(
    stack: StackName,
    timer: Annotated[Timer | None, typer.Option(help="systemd or cron; default: what this host has.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be written.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the timers away again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the host's timers for what needs the host: drills and updates. Runs on the host, as root."""
    chosen = timer or installing.timer_here()
    files = installing.planned(stack, chosen)
    if not dry_run:
        (installing.remove if remove else installing.install)(stack, chosen, files)
    if as_json:
        shown = [{"path": str(one.path), "text": one.text} for one in files]
        terminal.show_json({"timer": chosen, "written": not (dry_run or remove), "files": shown})
    elif dry_run:
        terminal.show_raw("\n".join(f"# {one.path}\n{one.text}" for one in files))
    else:
        terminal.show_lines([f"{'removed' if remove else 'written'}: {one.path}" for one in files])


def look(api: Api, now: datetime) -> list[Standing]:
    return standings(body_of(api.read(ROUTE), ROUTE), now)
