"""`amas`: the runbook as commands. Each one names its options here and shows what its module found."""

import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from runbook import alerts as alert_page
from runbook import (
    backups,
    cache,
    checks,
    database,
    environment,
    escrow,
    overview,
    places,
    silences,
    store_pages,
    support,
    switches,
    terminal,
)
from runbook import down as downs
from runbook import health as health_page
from runbook import logs as log_page
from runbook import status as status_page
from runbook.audit import command as audits
from runbook.ci.command import app as ci_app
from runbook.connections import connections
from runbook.contacts import contacts
from runbook.doctor.command import doctor
from runbook.drill.command import drill
from runbook.engine import connect
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing, Terminated, UsageError
from runbook.incident import command as incidents
from runbook.jobs.command import app as job_app
from runbook.keys import key_of
from runbook.loadtest import command as loadtests
from runbook.options import AsJson, StackName, Url
from runbook.restore import inside
from runbook.review import review
from runbook.scale import command as scaling
from runbook.schedule.command import app as schedule_app
from runbook.smoke.run import measure, refuse_failed
from runbook.stack import Stack
from runbook.storm import storm
from runbook.traffic.command import traffic
from runbook.triage.command import triage
from runbook.upgrade.command import rollback, upgrade

INTERRUPTED = 130

app = typer.Typer(
    name="amas",
    help="The operator's command line: every page of the runbook is a verb.\n\n"
    "Exit codes: 0 ok, 1 a check failed, 2 wrong usage or refused, 3 the environment is missing.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(help="The stack's keys.", no_args_is_help=True, rich_markup_mode=None)
db_app = typer.Typer(help="The database.", no_args_is_help=True, rich_markup_mode=None)
cache_app = typer.Typer(rich_markup_mode=None)
secrets_app = typer.Typer(help="The stack's secrets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys_app, name="keys")
app.add_typer(db_app, name="db")
app.add_typer(cache_app, name="cache")
app.add_typer(secrets_app, name="secrets")
app.add_typer(switches.app, name="switch")
app.add_typer(alert_page.app, name="alerts")
app.add_typer(audits.app, name="audit")
app.add_typer(incidents.app, name="incident")
app.add_typer(backups.app, name="backup")
app.add_typer(inside.app, name="generation", hidden=True)
app.add_typer(job_app, name="job")
app.add_typer(scaling.app, name="scale")
app.add_typer(loadtests.app, name="loadtest")
app.add_typer(ci_app, name="ci")
app.add_typer(schedule_app, name="schedule")
app.add_typer(silences.app, name="silence")
app.command()(traffic)
app.command()(review)
app.command()(triage)
app.command()(storm)
app.command()(contacts)
app.command()(doctor)
app.command()(drill)
app.command()(upgrade)
app.command()(rollback)
store_pages.register(app, db_app, cache_app)

PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def main() -> NoReturn:
    """The one place where errors become text and exit codes."""
    as_json = "--json" in sys.argv[1:]
    # So that a pipeline that is called off leaves no throw-away stack, lock or half a change behind.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(lambda: app(prog_name="amas", standalone_mode=False), as_json=as_json))


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def run(command: Callable[[], object], *, as_json: bool) -> int:
    try:
        returned = command()
    except AmasError as error:
        terminal.show_error(error, as_json=as_json)
        return error.exit_code
    except typer.TyperException as error:
        terminal.show_error(UsageError(error.format_message(), "amas --help"), as_json=as_json)
        return UsageError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        returned = INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # the reader has gone, as with `| head`: nothing is left to flush
        return 0
    if returned == INTERRUPTED:  # Typer makes such a code of Ctrl-C
        terminal.show_error(CheckFailed("interrupted"), as_json=as_json)
    return returned if isinstance(returned, int) else 0


@app.command()
def up(
    stack: StackName,
    config: Annotated[
        list[str] | None, typer.Option("--config", metavar="KEY=VALUE", help="Set and keep a setting.")
    ] = None,
    skip_smoke: Annotated[
        bool, typer.Option("--skip-smoke", help="Do not send the smoke test's traces.")
    ] = False,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="Stop when tools and images stand.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the stack up and prove it. Runs on the host.

    Prepares the machine, releases by pulumi, ends with the smoke test. Safe to repeat.
    """
    from runbook.up import flow  # noqa: PLC0415 - host only: builds tools and images

    plan = flow.Plan(stack, tuple(config or ()), with_smoke=not skip_smoke, prepare_only=prepare_only)
    progress = terminal.Progress()
    standing = flow.bring_up(plan, progress)
    if as_json:
        terminal.show_json(
            {"stack": stack, **(asdict(standing) if standing else {}), "steps": dict(progress.finished)}
        )
    elif standing:
        terminal.show_lines(flow.next_lines(standing, stack))


@app.command()
def smoke(
    stack: StackName,
    seed: Annotated[int, typer.Option(help="The traces are the same for the same seed.")] = 1,
    url: Annotated[str | None, typer.Option(help="Default: the stack's own address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that traces are stored. Runs on the host.

    Sends 1,000 varied ones, reads them back, counts them by SQL, purges them.
    """
    outcome = measure(Stack(stack), seed, url)
    if as_json:
        terminal.show_json({**asdict(outcome), "ok": outcome.ok})
    else:
        terminal.show_table(
            ["check", "state", "found"], [[one.name, one.state, one.detail] for one in outcome.lines]
        )
        terminal.show_lines([outcome.verdict()])
    refuse_failed(outcome)


@app.command()
def down(
    stack: StackName,
    purge: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Delete the data, the stack and its configuration too: type the stack's name.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the stack, keep its data. Runs on the host."""
    progress = terminal.Progress()
    if purge is not None:
        downs.refuse_other_name(stack, purge)
        gone = downs.purge(Stack(stack), purge, connect(), progress)
    else:
        gone = downs.take_down(Stack(stack), connect(), progress)
    if as_json:
        terminal.show_json(asdict(gone))
    else:
        terminal.show_lines(downs.closing_lines(gone))


@app.command()
def status(
    stack: StackName,
    drift: Annotated[
        bool, typer.Option("--drift/--no-drift", help="Compare with what was released; takes some seconds.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Parts, releases, switches, schedule, and what is not as released. Runs on the host.

    Exits with 1 when a part is not healthy, or when something was changed behind pulumi's back.
    """
    engine, now = connect(), datetime.now(UTC)
    found = status_page.look(engine, stack, places.image_lock(), now)
    more = overview.look(Stack(stack), engine, now, with_drift=drift)
    found = replace(found, url=more.url or found.url)  # a port does not tell whether it speaks TLS
    if as_json:
        terminal.show_json({**found.as_json(), **more.as_json(), "ok": not found.ill and not more.drift})
    else:
        terminal.show_table(["part", "state", "up", "image", ""], status_page.table_rows(found))
        terminal.show_lines([*status_page.closing_lines(found), *overview.lines(more)])
    if found.ill or more.drift:
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def logs(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    part: Annotated[
        str | None, typer.Argument(help="A part such as api or db; all of them when left out.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="SPAN", help="How far back: 90s, 10m, 2h, 1d.")] = None,
    level: Annotated[str | None, typer.Option(help="At least: debug, info, warning or error.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last lines of all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What the containers say, by time. Runs on the host."""
    now = datetime.now(UTC)
    wanted = log_page.Wanted(
        part, now - log_page.span(since) if since else None, log_page.check_level(level), tail
    )
    show = log_page.shown_as_json if as_json else lambda line: log_page.readable(line, stack)
    engine = connect()
    for line in log_page.collected(engine, stack, wanted):
        terminal.show_line(show(line))
    if follow:
        for line in log_page.followed(engine, stack, wanted, since=now):
            terminal.show_line(show(line))


@app.command()
def health(
    stack: StackName,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """The daily checks over HTTP. Runs on the host and inside the network.

    Sections 2.1 to 2.3 and 6.1 to 6.3 of the runbook; exits with 1 when one fails.
    """
    with health_page.opened(url, stack) as api:
        found = health_page.check(api)
    if as_json:
        terminal.show_json(
            {"url": api.url, "ok": checks.passed(found), "checks": [asdict(one) for one in found]}
        )
    else:
        terminal.show_table(["", "check", "state", "value", "target"], checks.check_rows(found))
    if not checks.passed(found):
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def env(stack: StackName, as_json: AsJson = False) -> None:
    """Print export lines for a shell. Runs on the host.

    For `. scripts/env`, which evaluates them.
    """
    variables = environment.of_this_checkout(stack, connections(Stack(stack)))
    if as_json:
        terminal.show_json(variables)
    else:
        terminal.show_raw("\n".join(environment.export_lines(variables)))


@app.command("support-bundle")
def support_bundle(
    stack: StackName,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: a new file under .amas/support.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One file for whoever helps: state, logs, metrics, no secret, no trace. Runs on the host."""
    now = datetime.now(UTC)
    file = support.place(stack, now, out)
    held = Stack(stack)
    with switches.api_of(held) as api:
        files = support.bundle(connect(), stack, held.config(), api, now, terminal.Progress())
    size_bytes = support.packed(files, file, now)
    if as_json:
        terminal.show_json({"file": str(file), "sizeBytes": size_bytes, "files": sorted(files)})
    else:
        terminal.show_lines(
            [f"{file}  {terminal.size(size_bytes)}, {len(files)} files; look before you send it"]
        )


@keys_app.command("show")
def show_key(scope: Annotated[str, typer.Argument()], stack: StackName, as_json: AsJson = False) -> None:
    """Print one key and nothing else. Runs on the host.

    SCOPE: ingest, read, admin or metrics.
    """
    key = key_of(Stack(stack), scope)
    if as_json:
        terminal.show_json({"scope": scope, "key": key})
    else:
        terminal.show_raw(key)


@keys_app.command("certificate")
def show_certificate(stack: StackName, as_json: AsJson = False) -> None:
    """Print the certificate that the load balancer shows, in PEM. Runs on the host.

    Clients trust a self-signed one by it: curl --cacert, ca_file of the sender, AMAS_CA_FILE of `amas`.
    """
    site = Stack(stack).site()
    if not site.certificate:
        raise EnvironmentMissing(f"stack `{stack}` speaks plain HTTP", "amas up --config tls=self-signed")
    if as_json:
        terminal.show_json(asdict(site))
    else:
        terminal.show_raw(site.certificate.rstrip())


@keys_app.command("escrow")
def escrow_keys(
    stack: StackName,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file, mode 0600.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the recovery sheet: all that a total loss needs besides the copy off site. Runs on the host.

    It opens everything: never leave it on this host.
    """
    sheet = escrow.sheet_of(stack, Stack(stack).config(), datetime.now(UTC))
    if out:
        escrow.keep(escrow.written(sheet), out)
        terminal.show_lines([f"{out} holds the recovery sheet: move it away from this host, then delete it"])
    elif as_json:
        terminal.show_json(sheet.as_json())
    else:
        terminal.show_raw("\n".join(escrow.written(sheet)))


@secrets_app.command("rotate")
def rotate_secrets(
    names: Annotated[list[str], typer.Argument(metavar="NAME...|all", show_default=False)],
    stack: StackName,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the previous value of the keys named.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replace secrets by new random ones, without a failed request. Runs on the host.

    Releases by pulumi, then proves that the new ones are in force. An API key's previous value stays
    valid beside the new one until --finish.
    """
    from runbook import rotation  # noqa: PLC0415 - host only: releases by pulumi

    progress = terminal.Progress()
    act = rotation.finish if finish else rotation.rotate
    done = act(Stack(stack), names, connect(), progress)
    if as_json:
        terminal.show_json({**asdict(done), "steps": dict(progress.finished)})
    else:
        terminal.show_lines(rotation.closing_lines(done))


@db_app.command("psql", context_settings=PASS_THROUGH)
def psql(
    stack: StackName, arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]")] = None
) -> None:
    """Open psql as the database's owner. Runs on the host.

    Exits as psql does; reads stdin when it is piped.
    """
    raise typer.Exit(database.psql(connect(), stack, arguments or []))


@cache_app.command("cli", context_settings=PASS_THROUGH)
def cache_cli(
    stack: StackName, arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]")] = None
) -> None:
    """Open redis-cli on the cache. Runs on the host.

    Exits as redis-cli does; reads commands from stdin when it is piped.
    """
    password = Stack(stack).secret("cachePassword")
    raise typer.Exit(cache.cache_cli(connect(), stack, password, arguments or []))


if __name__ == "__main__":
    main()
