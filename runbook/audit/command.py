"""`amas audit`: the rules' effect and the thresholds, reviewed from what was recorded. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from runbook import sql_session, terminal
from runbook.answers import body_of
from runbook.api import Api
from runbook.audit.effect import Effect, Event, effects
from runbook.audit.threshold import Proposal, proposals
from runbook.groups import ListByDefault
from runbook.health import opened
from runbook.options import AsJson, StackName, Url
from runbook.terminal import seconds

RULES = "/api/alerts/rules"
KEPT_DAYS = 30

app = typer.Typer(
    cls=ListByDefault,
    help="The alert rules: list (what each did, when none is named), thresholds.",
    rich_markup_mode=None,
)


@app.command("list")
def rules(
    stack: StackName,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back.")] = 90,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Fires, time to resolve, flapping, noisy, never fired. Runs on the host and inside the network.

    Section 8.3 of the runbook, the weekly look of 8.1 by `--days 7`; from the whole alert history.
    """
    with opened(url, stack) as api, sql_session.of(stack) as session:
        events = [Event(**row) for row in session.rows("audit_events", days=days)]
        found = effects(in_force(api), events, days)
    if as_json:
        terminal.show_json({"days": days, "rules": [asdict(one) for one in found]})
    else:
        terminal.show_table(["rule", "fires", "median", "verdict"], effect_rows(found))
        terminal.show_lines(effect_lines(found, days))


@app.command()
def thresholds(
    stack: StackName,
    days: Annotated[int, typer.Option(min=1, max=KEPT_DAYS, help="How far back.")] = KEPT_DAYS,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Propose thresholds from what was measured; writes nothing. Runs on the host and inside the network.

    The monthly review of section 8.2: percentiles of the kept intervals beside each threshold.
    """
    with opened(url, stack) as api, sql_session.of(stack) as session:
        (kept,) = session.rows("audit_percentiles", days=days)
        found = proposals(in_force(api), kept)
    if as_json:
        terminal.show_json({"days": kept["days"], "rules": [asdict(one) for one in found]})
    else:
        terminal.show_lines(proposal_lines(found, float(kept["days"])))


def in_force(api: Api) -> Sequence[Mapping[str, Any]]:
    body: dict[str, Any] = body_of(api.read(RULES), f"GET {RULES}", "amas status")
    return list(body["rules"])


def effect_rows(found: Sequence[Effect]) -> list[list[str]]:
    return [
        [
            one.rule_id,
            str(one.fires),
            "-" if one.median_resolve_s is None else seconds(one.median_resolve_s),
            f"{one.verdict}: {one.advice}" if one.advice and one.fires else one.verdict,
        ]
        for one in found
    ]


def effect_lines(found: Sequence[Effect], days: int) -> list[str]:
    silent = [one for one in found if one.verdict == "never fired"]
    total = sum(one.fires for one in found)
    lines = ["", f"alerts that fired in {days} days: {total}; rules: {len(found)}"]
    return [*lines, f"{len(silent)} never fired: {silent[0].advice}"] if silent else lines


def proposal_lines(found: Sequence[Proposal], days: float) -> list[str]:
    lines = [f"from intervals of the last {days:.1f} days; P1 and P99 are of intervals, not of requests"]
    for one in found:
        lines += ["", f"{one.rule_id}: {one.metric} {one.operator} {one.threshold:g}"]
        if one.seen:
            lines.append("  seen " + ", ".join(f"P{share} {value:.4g}" for share, value in one.seen.items()))
        lines.append(
            f"  {one.reason}" if one.proposed is None else f"  propose {one.proposed:g}: {one.reason}"
        )
    changed = [one for one in found if one.proposed is not None]
    how = "next: put them into your rules file, then amas up --config alertRulesFile=FILE"
    return [*lines, "", how if changed else "no threshold needs a change"]
