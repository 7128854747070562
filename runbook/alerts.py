"""`amas alerts`: what fires, what has fired, and who looks after it (2.3, 6.2)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from runbook import terminal
from runbook.answers import body_of, list_of, operator_name
from runbook.api import Api
from runbook.errors import UsageError
from runbook.groups import ListByDefault
from runbook.moments import moment, readable
from runbook.options import AsJson, StackName
from runbook.stack import Stack
from runbook.switches import api_of
from runbook.terminal import seconds

ACTIVE = "/api/alerts/active"
HISTORY = "/api/alerts/history"

By = Annotated[
    str, typer.Option(default_factory=operator_name, show_default=False, help="Who; default: you.")
]

app = typer.Typer(
    cls=ListByDefault, help="Alerts: list (when none is named), history, ack.", rich_markup_mode=None
)


@app.command("list")
def show(stack: StackName, as_json: AsJson = False) -> None:
    """What fires now, the most severe first. Runs on the host."""
    with api_of(Stack(stack)) as api:
        firing = active(api)
    if as_json:
        terminal.show_json(firing)
    else:
        terminal.show_lines(active_lines(firing, datetime.now(UTC)))


@app.command()
def history(
    stack: StackName,
    metric: Annotated[str | None, typer.Option(help="Only of this metric.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What began and ended, newest first. Runs on the host."""
    with api_of(Stack(stack)) as api:
        events = past(api, limit, metric)
    if as_json:
        terminal.show_json(events)
    else:
        terminal.show_table(["at", "", "severity", "rule"], history_rows(events))


@app.command()
def ack(
    alert: Annotated[str, typer.Argument(metavar="ID", help="Of the alert, or of its rule.")],
    stack: StackName,
    by: By,
    comment: Annotated[str, typer.Option(help="What you are doing about it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say that you look after a firing alert: it escalates no further. Runs on the host."""
    with api_of(Stack(stack)) as api:
        found = chosen(active(api), alert)
        path = f"/api/alerts/{quote(found['id'], safe='')}/ack"
        taken = body_of(api.post(path, {"by": by, "comment": comment}), f"POST {path}", "amas alerts list")
    if as_json:
        terminal.show_json(taken)
    else:
        terminal.show_lines(active_lines([taken], datetime.now(UTC)))


def active(api: Api) -> list[dict[str, Any]]:
    return list_of(api.read(ACTIVE), f"GET {ACTIVE}", "amas status")


def past(api: Api, limit: int, metric: str | None = None) -> list[dict[str, Any]]:
    wanted = {"limit": str(limit)} | ({"metric": metric} if metric else {})
    return list_of(api.read(HISTORY, wanted), f"GET {HISTORY}", "amas status")


def chosen(firing: Sequence[Mapping[str, Any]], alert: str) -> Mapping[str, Any]:
    """By its own id or its rule's, which fires once at a time."""
    found = [one for one in firing if alert in {one["id"], one["ruleId"]}]
    if not found:
        fires = ", ".join(f"{one['ruleId']} ({one['id']})" for one in firing) or "nothing"
        raise UsageError(f"no alert {alert!r} is firing; firing now: {fires}", "amas alerts list")
    return found[0]


def active_lines(firing: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    return [line for one in firing for line in alert_lines(one, now)] or ["no alert is firing"]


def alert_lines(one: Mapping[str, Any], now: datetime) -> list[str]:
    age = seconds(max(0.0, (now - moment(one["occurredAt"])).total_seconds()))
    acknowledged = one.get("acknowledged")
    marks = [
        f"L{one['escalation']}",
        *([f"acknowledged by {acknowledged['by']}"] if acknowledged else []),
        *(["silenced"] if one.get("silenced") else []),
    ]
    value = "no data" if one["value"] is None else f"{one['value']:g}"
    lines = [
        f"{one['severity'].upper()}  {one['ruleId']}  for {age}",
        f"  {one['message']}",
        f"  {one['metric']} = {value}, limit {one['operator']} {one['threshold']:g}",
        f"  {one['id']}: {', '.join(marks)}",
    ]
    return [*lines, f"  next: {one['runbook']}"] if one.get("runbook") else lines


def history_rows(events: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [readable(moment(one["occurredAt"])), one["status"], one["severity"], one["ruleId"]] for one in events
    ]
