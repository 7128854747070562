"""`amas contacts`: who is called when (sections 10 and 11). Pure but for the verb."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runbook import terminal
from runbook.errors import UsageError
from runbook.options import AsJson, StackName
from runbook.stack import Setting, Stack

KEY = "contacts"
ROLES = {
    "rotation": "On-call rotation",
    "l1": "L1, on-call engineer",
    "l2": "L2, senior engineer",
    "l3": "L3, platform lead",
    "database": "Database admin",
    "infrastructure": "Infrastructure",
    "databaseProvider": "Database provider",
    "cloudProvider": "Cloud provider",
}
PAIR = re.compile(r"\s*(?P<role>\w+)=(?P<who>[^;=\x00-\x1f\x7f]{1,200})")
SET_THEM = "amas up --config 'contacts=l1=NAME PHONE; l2=NAME PHONE; l3=NAME PHONE'"


@dataclass(frozen=True)
class Step:
    """One level of the escalation path."""

    level: str
    after_min: int
    role: str
    when: str


PATH = (
    Step("L1", 0, "l1", "at once: initial diagnosis within 15 min"),
    Step("L2", 30, "l2", "unresolved after 30 min"),
    Step("L3", 60, "l3", "users are affected after 1 h"),
)
DIAGNOSIS_MIN = 15
EMERGENCY = "data loss risk or complete outage: L2 and L3 at once"


def contacts(stack: StackName, as_json: AsJson = False) -> None:
    """Who is called when. Runs on the host.

    Section 11 of the runbook, from the configuration key `contacts`; the escalation path is section 10's.
    """
    config = Stack(stack).config()
    people = of(config)
    if as_json:
        receivers = {
            name: name in config for name in ("alertWebhookUrl", "alertWebhookUrlL2", "alertWebhookUrlL3")
        }
        terminal.show_json({"contacts": dict(people), "receivers": receivers})
    else:
        terminal.show_table(["who", "when", "contact"], rows(people))
        terminal.show_lines(closing_lines(people, config))


def of(config: Mapping[str, Setting]) -> Mapping[str, str]:
    held = config.get(KEY)
    return parse(held.value) if held else {}


def parse(text: str) -> Mapping[str, str]:
    """`role=who; role=who`; raises UsageError that names the part and what is allowed."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        pair = PAIR.fullmatch(part)
        if pair is None or pair["role"] not in ROLES or pair["role"] in found:
            raise UsageError(
                f"contacts: {part[:80]!r}: write ROLE=WHO once each, with semicolons between; "
                f"roles are {', '.join(ROLES)}",
                SET_THEM,
            )
        found[pair["role"]] = pair["who"].strip()
    return found


def who(people: Mapping[str, str], role: str) -> str:
    """The person, else whoever is before them on the path, else where to find out."""
    order = [step.role for step in PATH]
    before = reversed(order[: order.index(role)]) if role in order else ()
    return next((people[one] for one in (role, *before, "rotation") if one in people), "nobody is named")


def rows(people: Mapping[str, str]) -> list[list[str]]:
    path = [[ROLES[step.role], step.when, people.get(step.role, "-")] for step in PATH]
    rest = [
        [ROLES[one], "", people[one]] for one in ROLES if one in people and one not in {s.role for s in PATH}
    ]
    return [*path, ["Emergency", EMERGENCY, who(people, "l3")], *rest]


def closing_lines(people: Mapping[str, str], config: Mapping[str, Setting]) -> list[str]:
    told = "told by webhook" if "alertWebhookUrl" in config else "no webhook is configured: nobody is told"
    unnamed = [ROLES[step.role] for step in PATH if step.role not in people]
    lines = ["", f"alerts    {told} (amas triage webhooks)"]
    return [*lines, f"unnamed   {'; '.join(unnamed)}", f"next: {SET_THEM}"] if unnamed else lines
