"""`amas incident`: opens, notes, closes; every page is the runbook's template from live data."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from runbook import contacts as people_page
from runbook import places, terminal
from runbook.alerts import By
from runbook.errors import AmasError, UsageError
from runbook.groups import ListByDefault
from runbook.incident import clock, gather
from runbook.incident.book import Book
from runbook.incident.gather import Told
from runbook.incident.record import Incident, Note, Severity, closed, merged, noted, row, to_json
from runbook.incident.template import markdown
from runbook.moments import moment
from runbook.options import AsJson, StackName
from runbook.stack import Setting, Stack
from runbook.switches import api_of

Which = Annotated[
    str | None, typer.Argument(metavar="[ID]", show_default=False, help="Default: the only open one.")
]
Text = Annotated[str, typer.Argument(help="What happened or was done.")]

app = typer.Typer(
    cls=ListByDefault,
    help="Incidents: list (when none is named), new, note, close, show.",
    rich_markup_mode=None,
)


@app.command("list")
def show_all(stack: StackName, as_json: AsJson = False) -> None:
    """Every incident of this checkout, the last one first. Runs on the host."""
    now, found = datetime.now(UTC), _book().of_stack(stack)[::-1]
    if as_json:
        terminal.show_json([to_json(one) for one in found])
    elif found:
        terminal.show_table(["incident", "", "severity", "lasts", "what"], [row(one, now) for one in found])
    else:
        terminal.show_lines([f"no incident of stack {stack} is recorded"])


@app.command()
def new(  # noqa: PLR0913, PLR0917 - one parameter an option
    title: Annotated[str, typer.Argument(help="What users or you see, in one line.")],
    stack: StackName,
    by: By,
    severity: Annotated[
        Severity | None, typer.Option(case_sensitive=False, help="Default: by the worst alert that fires.")
    ] = None,
    started: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601; default: the first firing alert's, or now.")
    ] = None,
    users_affected: Annotated[
        bool, typer.Option("--users-affected", help="L3 is called after an hour.")
    ] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Data loss risk or complete outage: all levels at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open one: symptoms, alerts and metrics are filled in. Runs on the host."""
    now, told = datetime.now(UTC), _told(stack)
    began = _started(started, now) if started else gather.began(told, now)

    def make(incident_id: str) -> Incident:
        return Incident(
            id=incident_id,
            stack=stack,
            title=title,
            severity=severity or gather.severity(told),
            started=began.isoformat(),
            opened_by=by,
            symptoms=tuple(gather.symptoms(told)),
            alerts=tuple(merged((), gather.seen(told, began))),
            before=gather.metrics(told),
            users_affected=users_affected,
            emergency=emergency or gather.emergency(told),
        )

    people = _people(stack)
    incident = _book().opened(make, now, _page(people, now))
    _tell(incident, people, now, as_json=as_json)


@app.command()
def note(
    text: Text,
    stack: StackName,
    by: By,
    incident: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Default: the only open one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a line to the timeline. Runs on the host."""
    now, people, book = datetime.now(UTC), _people(stack), _book()
    line = Note(now.isoformat(), by, text)
    changed = book.changed(
        incident or book.only_open(stack), lambda one: noted(one, line), _page(people, now)
    )
    _tell(changed, people, now, as_json=as_json)


@app.command()
def close(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    by: By,
    cause: Annotated[str, typer.Option(help="The root cause.")],
    resolution: Annotated[list[str], typer.Option(help="What was done; may stand many times.")],
    prevention: Annotated[
        list[str] | None, typer.Option(help="What keeps it from coming again; many times.")
    ] = None,
    incident: Which = None,
    as_json: AsJson = False,
) -> None:
    """End one: duration, alerts and metrics are filled in. Runs on the host."""
    now, told, people, book = datetime.now(UTC), _told(stack), _people(stack), _book()

    def change(one: Incident) -> Incident:
        if not one.is_open:
            raise UsageError(f"{one.id} was closed at {one.resolved}", "amas incident list")
        still = [str(alert["ruleId"]) for alert in told.firing]
        if still:
            one = noted(one, Note(now.isoformat(), by, f"closed while firing: {', '.join(still)}"))
        ended = closed(one, now, gather.seen(told, moment(one.started)), gather.metrics(told, one.before))
        return replace(
            ended, closed_by=by, cause=cause, resolution=tuple(resolution), prevention=tuple(prevention or ())
        )

    changed = book.changed(incident or book.only_open(stack), change, _page(people, now))
    _tell(changed, people, now, as_json=as_json)


@app.command()
def show(stack: StackName, incident: Which = None, as_json: AsJson = False) -> None:
    """Its page as it stands now. Runs on the host."""
    book = _book()
    found = book.read(incident or book.only_open(stack))
    if as_json:
        terminal.show_json(to_json(found))
    else:
        terminal.show_raw(markdown(found, _people(stack), datetime.now(UTC)).rstrip())


def _book() -> Book:
    return Book(places.state_dir() / "incidents")


def _told(stack: str) -> Told:
    try:
        with api_of(Stack(stack)) as api:
            return gather.gather(api)
    except AmasError as reason:
        return Told(reason=reason.message)


def _people(stack: str) -> Mapping[str, str]:
    """An incident is written also where the stack's configuration cannot be read."""
    try:
        config: Mapping[str, Setting] = Stack(stack).config()
        return people_page.of(config)
    except AmasError:
        return {}


def _page(people: Mapping[str, str], now: datetime) -> Callable[[Incident], str]:
    return lambda incident: markdown(incident, people, now)


def _started(text: str, now: datetime) -> datetime:
    try:
        found = moment(text)
    except ValueError:
        raise UsageError(f"--started {text!r}: write it as 2024-12-03T10:15:00Z") from None
    if found > now:
        raise UsageError(f"--started {text!r}: lies ahead; it is {now:%Y-%m-%dT%H:%M:%SZ}")
    return found


def _tell(incident: Incident, people: Mapping[str, str], now: datetime, *, as_json: bool) -> None:
    page = _book().page(incident.id)
    if as_json:
        terminal.show_json({**to_json(incident), "page": str(page)})
        return
    _, state, severity, lasts, what = row(incident, now)
    told = [f"{incident.id}  {state}, {severity}, {lasts}: {what}", f"page      {page}"]
    terminal.show_lines([*told, *(clock.lines(incident, people, now) if incident.is_open else [])])
