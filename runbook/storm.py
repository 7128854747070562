"""`amas storm`: too many alerts at once, what they share, and the silence and cooldown for it (7.3)."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer

from runbook import terminal
from runbook.alerts import active
from runbook.errors import CheckFailed
from runbook.health import asked
from runbook.options import AsJson, StackName
from runbook.present import ROUTE, Missing, present_in
from runbook.stack import Stack
from runbook.switches import api_of

MOST_PER_MINUTE = 50
PER_MINUTE = "alerts.per_minute"
COOLDOWN_MS = 600_000
SILENCE = "10m"


@dataclass(frozen=True)
class Storm:
    """`common` is what most alerts share; `began_per_minute` is None where nobody could tell."""

    storming: bool
    firing: int
    began_per_minute: float | None
    common: str | None
    sharing: int
    commands: tuple[str, ...]


def storm(stack: StackName, as_json: AsJson = False) -> None:
    """Whether there is an alert storm, and what stops it. Runs on the host.

    Section 7.3 of the runbook. Nothing is changed: the silence and the cooldown are proposed as commands,
    for a silence of everything would hide what started it. Exits with 1 during a storm.
    """
    with api_of(Stack(stack)) as api:
        present = present_in(asked(lambda: api.read(ROUTE)))
        began = None if isinstance(present, Missing) else present.get(PER_MINUTE)
        found = judge(active(api), began.value if began else None)
    if as_json:
        terminal.show_json(asdict(found))
    else:
        terminal.show_lines(lines(found))
    if found.storming:
        raise typer.Exit(CheckFailed.exit_code)


def judge(firing: Sequence[Mapping[str, Any]], began_per_minute: float | None) -> Storm:
    """A storm as the service saw one goes before what is counted here."""
    seen = next((one["storm"] for one in firing if one.get("storm")), None)
    storming = seen is not None or (began_per_minute or 0) > MOST_PER_MINUTE
    metrics = Counter(str(one["metric"]) for one in firing if one["metric"] != PER_MINUTE)
    if seen is not None:
        metric, sharing, rules = seen["silence"]["matchers"]["metric"], seen["sharing"], seen["ruleIds"]
        common: str | None = f"{seen['common']} = {seen['value']}"
    elif metrics:
        metric, sharing = min(metrics.items(), key=lambda one: (-one[1], one[0]))
        rules = sorted({str(one["ruleId"]) for one in firing if one["metric"] == metric})
        common = f"metric = {metric}"
    else:
        return Storm(storming, len(firing), began_per_minute, None, 0, ())
    commands = _commands(metric, rules) if storming else ()
    return Storm(storming, len(firing), began_per_minute, common, sharing, commands)


def lines(found: Storm) -> list[str]:
    rate = "unknown" if found.began_per_minute is None else f"{found.began_per_minute:g}"
    head = "ALERT STORM" if found.storming else "no alert storm"
    told = [f"{head}: began in the last minute {rate}, limit {MOST_PER_MINUTE}; firing {found.firing}"]
    if found.common:
        told.append(f"most in common: {found.common}, in {found.sharing} of them")
    if found.storming and not found.commands:
        told.append("none of them fires any more: amas alerts history shows which they were")
    return [*told, *(f"next: {one}" for one in found.commands)]


def _commands(metric: str, rules: Sequence[str]) -> tuple[str, ...]:
    """First quiet, then the cause; the cooldown lasts where the silence ends."""
    reason = shlex.quote(f"alert storm on {metric}")
    named = ", ".join(rules)
    return (
        f"amas silence add --metric {shlex.quote(metric)} --for {SILENCE} --reason {reason}",
        f"amas alerts history --metric {shlex.quote(metric)}",
        f"in your rules file: cooldown: {COOLDOWN_MS} for {named}; then amas up --config alertRulesFile=FILE",
    )
