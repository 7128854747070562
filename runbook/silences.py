"""`amas silence`: alerts that are recorded and not told for a while; every silence ends by itself."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from runbook import terminal
from runbook.alerts import By
from runbook.answers import body_of, list_of
from runbook.errors import UsageError
from runbook.groups import ListByDefault
from runbook.logs import span
from runbook.moments import moment, readable
from runbook.options import AsJson, StackName
from runbook.stack import Stack
from runbook.switches import api_of

ROUTE = "/api/alerts/silences"
LONGEST_DAYS = 30


class Severity(StrEnum):
    """As the rules have it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


app = typer.Typer(
    cls=ListByDefault, help="Silences: list (when none is named), add, end.", rich_markup_mode=None
)


@app.command("list")
def show(stack: StackName, as_json: AsJson = False) -> None:
    """Those that last, the first to end first. Runs on the host."""
    with api_of(Stack(stack)) as api:
        lasting = list_of(api.read(ROUTE), f"GET {ROUTE}", "amas status")
    _show(lasting, as_json=as_json)


@app.command()
def add(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    by: By,
    lasts: Annotated[str, typer.Option("--for", metavar="SPAN", help="Such as 30m or 2h; 30d at most.")],
    reason: Annotated[str, typer.Option(help="Why, for those who come after you.")],
    metric: Annotated[str | None, typer.Option(help="Alerts about this metric.")] = None,
    rule: Annotated[str | None, typer.Option(help="Alerts of this rule.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Alerts of this severity.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hold back what is told of alerts that fit all that is named. Runs on the host.

    They are evaluated and recorded all the same. Nothing is silenced for good: adjust the rule for that.
    """
    body = asked(matchers(metric, rule, severity), lasts, reason, by)
    with api_of(Stack(stack)) as api:
        made = body_of(api.post(ROUTE, body), f"POST {ROUTE}", "amas silence add --help")
    _show([made], as_json=as_json)


@app.command()
def end(
    silence: Annotated[str, typer.Argument(metavar="ID", help="As `amas silence list` tells it.")],
    stack: StackName,
    as_json: AsJson = False,
) -> None:
    """End one now. Runs on the host."""
    path = f"{ROUTE}/{quote(silence, safe='')}"
    with api_of(Stack(stack)) as api:
        body_of(api.delete(path), f"DELETE {path}", "amas silence list")
    if as_json:
        terminal.show_json({"ended": silence})
    else:
        terminal.show_lines([f"{silence} has ended"])


def matchers(metric: str | None, rule: str | None, severity: Severity | None) -> dict[str, str]:
    named = {"metric": metric, "ruleId": rule, "severity": severity and severity.value}
    found = {name: value for name, value in named.items() if value}
    if not found:
        raise UsageError(
            "a silence of everything would hide an outage: name a metric, a rule or a severity",
            "amas silence add --metric NAME --for 30m --reason TEXT",
        )
    return found


def asked(which: Mapping[str, str], lasts: str, reason: str, by: str) -> dict[str, Any]:
    lasts_s = round(span(lasts, "--for").total_seconds())
    if not 0 < lasts_s <= LONGEST_DAYS * 86_400:
        raise UsageError(f"--for {lasts!r}: a silence must end, within {LONGEST_DAYS} days")
    return {"matchers": dict(which), "duration": f"{lasts_s}s", "comment": reason, "createdBy": by}


def rows(silences: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [
            one["id"],
            ", ".join(f"{name}={value}" for name, value in one["matchers"].items()),
            readable(moment(one["endsAt"])),
            f"{one['comment']} ({one['createdBy']})",
        ]
        for one in silences
    ]


def _show(silences: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(silences)
    elif silences:
        terminal.show_table(["silence", "of", "until", "why"], rows(silences))
    else:
        terminal.show_lines(["nothing is silenced"])
