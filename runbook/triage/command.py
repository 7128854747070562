"""`amas triage`: what is wrong, by which evidence, and the command that mends it."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from runbook import terminal
from runbook.api import Api
from runbook.engine import connect
from runbook.errors import CheckFailed, UsageError
from runbook.logs import span
from runbook.options import AsJson, StackName
from runbook.smoke.run import keys_of
from runbook.stack import Stack
from runbook.triage.cause import Diagnosis, diagnose
from runbook.triage.collect import Place, evidence
from runbook.triage.errors import ERRORS
from runbook.triage.latency import LATENCY
from runbook.triage.webhooks import WEBHOOKS
from runbook.triage.writes import WRITES

TOPICS = {one.name: one for one in (LATENCY, WEBHOOKS, WRITES, ERRORS)}


class Trouble(StrEnum):
    """The pages of section 3."""

    LATENCY = "latency"
    WEBHOOKS = "webhooks"
    WRITES = "writes"
    ERRORS = "errors"


def triage(
    trouble: Annotated[Trouble, typer.Argument(help="latency, webhooks, writes or errors.")],
    stack: StackName,
    since: Annotated[str, typer.Option(metavar="SPAN", help="How far back logs are read.")] = "15m",
    test: Annotated[
        bool, typer.Option("--test", help="webhooks: send every receiver a test message.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find the likely cause and its fix. Runs on the host.

    Sections 3.1 to 3.4 of the runbook: metrics, database, logs and containers are asked, known causes
    are named with their evidence, likeliest first. Nothing is changed. Exits with 1 when something is wrong.
    """
    if test and trouble is not Trouble.WEBHOOKS:
        raise UsageError(f"--test goes with webhooks, not {trouble}", "amas triage webhooks --test")
    held = Stack(stack)
    config = held.config()
    with Api(held.site(), keys_of(config)) as api:
        place = Place(stack, api, connect(), config, datetime.now(UTC), span(since))
        with terminal.Progress().step("collecting evidence"):
            collected = evidence(place, trouble, test=test)
    found = diagnose(TOPICS[trouble], collected)
    if as_json:
        terminal.show_json(asdict(found) | {"ok": found.well, "facts": dict(collected.facts)})
    else:
        terminal.show_lines(lines(found))
    if not found.well:
        raise typer.Exit(CheckFailed.exit_code)


def lines(found: Diagnosis) -> list[str]:
    told = [f"symptom   {one}" for one in found.symptoms]
    for place, one in enumerate(found.findings):
        told += [
            "",
            f"{'likely cause' if place == 0 else 'also'}: {one.cause}",
            f"  {one.says}",
            *(f"  evidence  {seen}" for seen in one.evidence),
            *(f"  next      {command}" for command in one.fix),
        ]
    told += [f"log       {one}" for one in found.quotes]
    told += [f"unknown   {one}" for one in found.missing]
    return [*told, *_verdict(found)]


def _verdict(found: Diagnosis) -> list[str]:
    if found.findings:
        return []
    if found.symptoms:
        return ["no known cause shows; next: amas support-bundle"]
    if found.missing:
        return ["nothing wrong found in what could be asked"]
    return ["nothing wrong found"]
