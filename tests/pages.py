"""Writes docs/runbook: a page for each alert rule and for each verb, from the rules and the command line.

`python -m tests.pages` writes what is out of date and takes away what nothing stands behind any more;
`--check` exits 1 instead. It stands with the tests, since nothing else may know rules and verbs alike.
"""

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.components import backup, scheduler
from infra.config import Config, parse
from runbook.jobs.crontab import Scheduled
from runbook.schedule import host
from service.alerts import rules as rule_files
from service.alerts.rule import NoData, Rule
from service.alerts.vocabulary import METRICS
from tests.verbs import Verb, parsed, verbs

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs/runbook"
# Verbs that rules already name and that are still to be made; nothing else may stay unresolved.
_WITHOUT_DATA = {
    NoData.OK: "no breach",
    NoData.ALERT: "a breach",
    NoData.HOLD: "stays as it is",
}
_NOTE = "<!-- Written by `python -m tests.pages`; change the rules or the verb instead. -->\n"


def main(words: Sequence[str]) -> int:
    wanted, found = pages(), {path: path.read_text(encoding="utf-8") for path in PAGES.rglob("*.md")}
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if "--check" in words:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date; next: python -m tests.pages\n")
        return 1 if stale else 0
    for path in stale:
        _put(path, wanted.get(path))
    return 0


def pages() -> dict[Path, str]:
    """Every page by its place."""
    by_name: dict[str, list[Verb]] = {}
    for verb in verbs():
        by_name.setdefault(verb.first, []).append(verb)
    written = {PAGES / "README.md": index(by_name)}
    for rule in rules():
        written[page_of_alert(rule.id)] = alert_page(rule)
    for name, ones in by_name.items():
        written[page_of_verb(name)] = verb_page(name, ones)
    return written


@functools.cache
def rules() -> Sequence[Rule]:
    """In the order of their file."""
    return rule_files.load()


def page_of_alert(rule_id: str) -> Path:
    return PAGES / "alerts" / f"{rule_id}.md"


def page_of_verb(name: str) -> Path:
    return PAGES / "verbs" / f"{name}.md"


@functools.cache
def jobs() -> dict[str, list[tuple[str, Scheduled]]]:
    """What is scheduled, by the first word of its verb, with who runs it."""
    found: dict[str, list[tuple[str, Scheduled]]] = {}
    for runner, job in scheduled():
        found.setdefault(job.command[1], []).append((runner, job))
    return found


def scheduled() -> Iterator[tuple[str, Scheduled]]:
    """Every job by who runs it, at the times of the default configuration."""
    defaults = Config(parse(lambda _: None)[0], {})
    for runner, ours in (("scheduler", scheduler.jobs(defaults)), ("backup", backup.jobs(defaults))):
        for one in ours:
            command = ("amas", *one.command.split())
            yield runner, Scheduled(one.name, one.schedule, one.limit_s, command)
    for each in host.JOBS:
        yield "host", Scheduled(each.name, each.schedule, each.limit_s, ("amas", *each.command.split()))


def index(by_name: Mapping[str, Sequence[Verb]]) -> str:
    alerts = "".join(
        f"| [{rule.id}](alerts/{rule.id}.md) | {rule.severity} | {rule.metric} | `{rule.runbook}` |\n"
        for rule in rules()
    )
    lines = "".join(
        f"| [{' '.join(one.words)}](verbs/{name}.md) | {_cell(one.purpose())} |\n"
        for name, ones in by_name.items()
        for one in ones
    )
    return (
        f"{_NOTE}# The runbook\n\n"
        "Each alert has a page that says what it means and which command to begin with; each command has a\n"
        "page with all it can be told. Where the runbook came from: [seed map](../seed-map.md). What it\n"
        "must not be taken for: [traps](../traps.md).\n\n"
        f"## Alerts\n\n| alert | severity | metric | begin with |\n| --- | --- | --- | --- |\n{alerts}\n"
        f"## Verbs\n\n| verb | what for |\n| --- | --- |\n{lines}"
    )


def alert_page(rule: Rule) -> str:
    metric, verb = METRICS[rule.metric], parsed(rule.runbook)
    window = f", over the last {metric.window}" if metric.window else ""
    facts = {
        "metric": f"`{rule.metric}`: {metric.meaning}, in {metric.unit}{window}",
        "fires when": f"{rule.operator} {_number(rule.threshold)} for {_span(rule.duration_ms)}",
        **({"ends when": f"back past {_number(rule.clear_threshold)}"} if _clears(rule) else {}),
        "severity": " ".join([rule.severity, *(f"({key}: {word})" for key, word in rule.labels.items())]),
        "without data": _WITHOUT_DATA[rule.no_data],
        "told again after": _span(rule.cooldown_ms),
    }
    rows = "".join(f"| {name} | {_cell(text)} |\n" for name, text in facts.items())
    return (
        f"{_NOTE}# {rule.id}\n\n{rule.message}\n\n**Begin with** `{rule.runbook}` "
        f"([what it does](../verbs/{verb.first}.md))\n\n"
        f"| | |\n| --- | --- |\n{rows}\n"
        "Say that you look after it by `amas alerts ack`, hold it back by `amas silence add`; both are told\n"
        "to whoever looks next. Its thresholds are in service/alerts/default-rules.yaml.\n"
    )


def verb_page(name: str, ones: Sequence[Verb]) -> str:
    begins = [rule for rule in rules() if rule.runbook.split()[1] == name]
    alerts = "".join(f"- [{rule.id}](../alerts/{rule.id}.md): {rule.message}\n" for rule in begins)
    runs = "".join(
        f"- `{job.schedule}` (UTC), by the {runner}, for at most {job.limit_s} s: `{' '.join(job.command)}`\n"
        for runner, job in jobs().get(name, [])
    )
    sections = "".join(f"## amas {' '.join(one.words)}\n\n```\n{one.help().strip()}\n```\n\n" for one in ones)
    return (
        f"{_NOTE}# amas {name}\n\n{sections}"
        + (f"## Alerts that begin with it\n\n{alerts}\n" if alerts else "")
        + (f"## By itself\n\n{runs}" if runs else "")
    ).rstrip() + "\n"


def _clears(rule: Rule) -> bool:
    return rule.clear_threshold is not None and rule.clear_threshold != rule.threshold


def _number(value: float | None) -> str:
    return f"{value:g}" if value is None or abs(value) < 1e6 else f"{value:,.0f}"


def _span(milliseconds: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size} {unit}"
    return f"{milliseconds} ms"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
