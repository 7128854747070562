"""`amas switch`: what the emergency pages turn off, thrown on every replica at once, without a restart."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from runbook import terminal
from runbook.api import Api
from runbook.errors import AmasError, CheckFailed
from runbook.options import AsJson, StackName
from runbook.smoke.run import keys_of
from runbook.stack import Stack

ROUTE = "/api/switches"

app = typer.Typer(help="The emergency switches.", no_args_is_help=True, rich_markup_mode=None)


class Position(StrEnum):
    """How a switch stands."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True)
class Switch:
    """One of them. On means that what its name says is done: it is off as long as all is well."""

    name: str
    on: bool
    reason: str | None = None
    since: str | None = None
    by: str | None = None

    def cells(self) -> list[str]:
        why = ", ".join(one for one in (self.reason, self.by and f"by {self.by}", self.since) if one)
        return [self.name, "ON" if self.on else "off", why]


@app.command("list")
def show(stack: StackName, as_json: AsJson = False) -> None:
    """Which switches there are and how they stand. Runs on the host."""
    with api_of(Stack(stack)) as api:
        _show(switches_of(api), as_json=as_json)


@app.command("set")
def throw(
    name: Annotated[str, typer.Argument(help="Its name, as `amas switch list` tells it.")],
    position: Annotated[Position, typer.Argument(help="on or off.")],
    reason: Annotated[str, typer.Option(help="Why, for those who come after you; needed both ways.")],
    stack: StackName,
    as_json: AsJson = False,
) -> None:
    """Throw one for the whole stack; replicas follow within two seconds. Runs on the host."""
    with api_of(Stack(stack)) as api:
        answer = api.put(f"{ROUTE}/{name}", {"on": position is Position.ON, "reason": reason})
        if answer.status != 200:
            raise CheckFailed(f"PUT {ROUTE}/{name}: {_detail(answer.json())}", "amas switch list")
        _show(switches_of(api), as_json=as_json)


def switches_of(api: Api) -> list[Switch]:
    answer = api.read(ROUTE)
    body = answer.json()
    if answer.status != 200 or not isinstance(body, dict):
        raise CheckFailed(f"GET {ROUTE}: {answer.status} {_detail(body)}", "amas status")
    known = Switch.__dataclass_fields__
    return [Switch(**{key: one[key] for key in known if key in one}) for one in body.get("switches", [])]


def thrown(open_api: Callable[[], Api]) -> list[Switch]:
    """For a status that must not fail because the service does: none when they cannot be asked."""
    try:
        with open_api() as api:
            return [one for one in switches_of(api) if one.on]
    except AmasError:
        return []


def status_lines(found: Sequence[Switch]) -> list[str]:
    return [f"switch    {one.name} is ON: {one.cells()[2] or 'no reason given'}" for one in found]


def api_of(stack: Stack) -> Api:
    return Api(stack.site(), keys_of(stack.config()))


def _detail(body: Any) -> str:
    return str(body.get("detail", body))[:300] if isinstance(body, dict) else "no answer in JSON"


def _show(found: Sequence[Switch], *, as_json: bool) -> None:
    if as_json:
        terminal.show_json({"switches": [asdict(one) for one in found]})
    else:
        terminal.show_table(["switch", "", "why"], [one.cells() for one in found])
