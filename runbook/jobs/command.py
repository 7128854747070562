"""`amas job`: what crontabs call."""

from pathlib import Path
from typing import Annotated

import typer

from runbook import sql_session, terminal
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing, UsageError
from runbook.jobs import crontab, outbox
from runbook.jobs.declare import declare
from runbook.jobs.patience import patiently
from runbook.jobs.record import Outcome, Record, checked_name
from runbook.jobs.run import Job
from runbook.jobs.run import run as run_job
from runbook.options import AsJson, StackName

HOST = "host"

app = typer.Typer(help="Scheduled jobs, as crontabs run them.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The job's name, such as health.")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", show_default=False)],
    stack: StackName,
    limit_s: Annotated[int, typer.Option("--limit-s", min=1, help="Seconds after which it is ended.")],
    record_for_s: Annotated[
        float,
        typer.Option("--record-for-s", min=0.01, help="How long a database that is away is waited for."),
    ] = outbox.RETRY_FOR_S,
) -> None:
    """Run a command as a job: never twice at once, never longer than its limit, always on record.

    Runs on the host and inside the network. Exits with 1 when the command failed or was ended.
    """
    record = run_job(Job(checked_name(name), limit_s, command))
    terminal.show_lines([line(record)])
    try:
        outbox.deliver(stack, record_for_s)
    except AmasError as reason:
        raise CheckFailed(
            f"job {name}: its record could not be written and waits for the next run: {reason.message}",
            reason.next_command,
        ) from None
    if record.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}:
        raise typer.Exit(CheckFailed.exit_code)


@app.command("declare")
def declare_jobs(
    file: Annotated[
        Path, typer.Argument(metavar="CRONTAB", help="A crontab whose lines are `amas job run`.")
    ],
    stack: StackName,
    runner: Annotated[str, typer.Option(help="Who runs it: a part of the stack, or host.")] = HOST,
    wait_s: Annotated[
        float, typer.Option("--wait-s", min=0.01, help="How long a database that is away is waited for.")
    ] = 0.01,
    as_json: AsJson = False,
) -> None:
    """Tell the stack which jobs a crontab runs, so that one that never runs is missed.

    Runs on the host and inside the network.
    """
    jobs = crontab.jobs_of(_text(file))

    def declared() -> None:
        with sql_session.of(stack, outbox.LIMIT_S) as session:
            declare(session, runner, jobs)

    patiently(declared, wait_s)
    if as_json:
        terminal.show_json({"runner": runner, "jobs": [one.job for one in jobs]})
    else:
        terminal.show_lines([f"{runner} runs {', '.join(one.job for one in jobs) or 'no job'}"])


def line(record: Record) -> str:
    took = terminal.seconds((record.finished_at - record.started_at).total_seconds())
    reason = f": {record.detail['reason']}" if "reason" in record.detail else ""
    return f"job {record.job}: {record.outcome} after {took}{reason}"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as reason:
        raise EnvironmentMissing(f"{file} cannot be read: {reason.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text") from None
