"""`amas review`: the figures to watch and the objectives, as they are now (sections 2.2 and 5.1)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer

from runbook import terminal
from runbook.api import Answer, Api
from runbook.checks import Check, check_rows, of_present, passed
from runbook.errors import CheckFailed
from runbook.health import asked, opened
from runbook.options import AsJson, StackName, Url
from runbook.present import ROUTE, Missing, present_in

OBJECTIVES = "/api/about/slo"
STATES = {"met": "ok", "at_risk": "failed", "breached": "failed", "no_data": "unknown"}
SHORT = {"percent": "%"}


def review(
    stack: StackName,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """The metrics and objectives of now. Runs on the host and inside the network.

    Sections 2.2 and 5.1 of the runbook: queue depth, decision write P99, and every objective with
    what is left of its error budget; exits with 1 when one is off.
    """
    with opened(url, stack) as api:
        found = look(api)
    if as_json:
        facts = {"url": api.url, "ok": passed(found), "checks": [asdict(one) for one in found]}
        terminal.show_json(facts)
    else:
        terminal.show_table(["", "check", "state", "value", "target"], check_rows(found))
    if not passed(found):
        raise typer.Exit(CheckFailed.exit_code)


def look(api: Api) -> list[Check]:
    return judge(asked(lambda: api.read(ROUTE)), asked(lambda: api.read(OBJECTIVES)))


def judge(values: Answer | Missing, objectives: Answer | Missing) -> list[Check]:
    """Of the watched figures the error rate is left out: it is an objective too, with a budget."""
    watched = [one for one in of_present(present_in(values)) if one.name != "error rate"]
    return [*watched, *_objectives(objectives)]


def _objectives(answer: Answer | Missing) -> list[Check]:
    if isinstance(answer, Missing):
        return [Check("objectives", "5.1", "failed", "no answer", "the table of objectives", answer.reason)]
    try:
        return [_objective(row) for row in answer.json()["rows"]]
    except (TypeError, KeyError, ValueError):
        reason = f"{OBJECTIVES} answered {answer.status}: {answer.text[:80]!r}"
        return [Check("objectives", "5.1", "failed", "unreadable", "the table of objectives", reason)]


def _objective(row: Mapping[str, Any]) -> Check:
    unit = SHORT.get(row["unit"], row["unit"])
    value = "" if row["value"] is None else f"{row['value']:g} {unit}"
    target = f"{row['operator']} {row['target']:g} {unit} over {row['window']}"
    return Check(str(row["name"]), "5.1", STATES[row["state"]], value, target, _why(row, unit))


def _why(row: Mapping[str, Any], unit: str) -> str:
    if row["state"] == "no_data":
        return "nothing to judge in its window"
    left = row["budgetLeft"]
    budget = [] if left is None else [f"{left:.0%} of the budget left"]
    beyond = "<" if row["operator"] == ">" else ">"
    limit = f"{beyond} {row['alertThreshold']:g} {unit}"
    words = {
        "at_risk": [f"off its target; alerts at {limit}"],
        "breached": [f"beyond its alert limit {limit}"],
    }
    return "; ".join([*words.get(row["state"], []), *budget])
