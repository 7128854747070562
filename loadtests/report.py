"""A result as people and programs read it: text, JUnit, markdown; `html.py` draws the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from loadtests import baseline, html, results
from loadtests.baseline import Compared
from loadtests.flow import Outcome
from loadtests.verdict import reached

TEXT, PAGE, JUNIT, COMMENT = "load-test-summary.txt", "report.html", "junit.xml", "comment.md"
# A bug tracker's limit is 64 KiB.
MOST_COMMENT = 60_000
MOST_REASONS = 5
MARKS = {"ok": "ok", "failed": "FAILED", "invalid": "INVALID", "not judged": "-"}


def write_all(outcome: Outcome, compared: Compared | None) -> None:
    """summary.json last: a folder that has it has all."""
    facts = outcome.facts() | ({"baseline": baseline.facts(compared)} if compared else {})
    folder = outcome.folder
    results.write(folder / TEXT, text(outcome, compared))
    results.write(folder / JUNIT, junit(outcome))
    results.write(folder / COMMENT, comment(outcome, compared))
    results.write(folder / PAGE, html.page(outcome, objectives(outcome)))
    results.write(folder / "plan.json", json.dumps(outcome.plan.facts(), indent=2) + "\n")
    results.write(folder / results.SUMMARY, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Of summary.json what a reader of one answer needs: without k6's options and a sample a second."""
    plan = {name: value for name, value in facts["plan"].items() if name != "k6"}
    generator = {name: value for name, value in facts["generator"].items() if name != "samples"}
    return {**facts, "plan": plan, "generator": generator}


def text(outcome: Outcome, compared: Compared | None = None) -> str:
    """At most 25 lines, the verdict first; 60 columns where the words allow it."""
    plan, result = outcome.plan, outcome.result
    lines = [
        f"Load test {outcome.verdict.word.upper()}",
        f"{plan.test}, {plan.profile} ({_load(outcome)})",
        f"{plan.url} ({plan.target})",
        f"{plan.at:%Y-%m-%d %H:%M} UTC, {plan.measured_s:g} s measured",
        *[f"  because {one}" for one in outcome.verdict.reasons[:MOST_REASONS]],
        *_more(outcome.verdict.reasons),
    ]
    if result:
        lines += [
            f"Requests   {result.requests:,}, {result.rate:,.1f}/s",
            f"Latency    P95 {result.p95_ms:.1f}, P99 {result.p99_ms:.1f}, most {result.most_ms:.0f} ms",
            f"Errors     {percent(result.error_share)}; broken answers {percent(result.broken_share)}",
            f"Decisions  {result.accepted:,} accepted, {_count(outcome.found.stored)} stored",
        ]
        if plan.steps:
            lines.append(f"Highest good rate  {reached(plan, outcome.ended, result)}")
    lines.append(f"Alerts     {', '.join(one.metric for one in outcome.found.fired) or 'none fired'}")
    lines.append(f"Generator  {outcome.ended.cpu_share:.0%} CPU, k6 {outcome.k6_version}")
    lines += [_row_text(row) for row in objectives(outcome)]
    if compared:
        lines.append(f"Baseline   {compared.sentence}")
    if outcome.waived:
        lines.append(f"Overridden: {'; '.join(outcome.waived)}")
    return "\n".join(lines) + "\n"


def objectives(outcome: Outcome) -> list[dict[str, str]]:
    """Section 5.1: each objective by the run's own figure, and by what the service says of other traffic."""
    return [_row(row, outcome) for row in outcome.found.objectives]


def _row(row: Mapping[str, Any], outcome: Outcome) -> dict[str, str]:
    measured = _measured(str(row["id"]), outcome)
    return {
        "name": str(row["name"]),
        "target": f"{row['operator']} {row['target']:g} {_unit(row)}",
        "run": "-" if measured is None else f"{measured:.4g} {_unit(row)}",
        "state": _state(row, measured, outcome),
        "service": str(row["state"]),
    }


def _state(row: Mapping[str, Any], measured: float | None, outcome: Outcome) -> str:
    """Throughput is judged only under a load that asks for it."""
    if measured is None or (row["id"] == "throughput" and outcome.plan.most_rate < row["target"]):
        return "not judged"
    if row["operator"] == "<":
        return (
            "met"
            if measured < row["target"]
            else "breached"
            if measured > row["alertThreshold"]
            else "at risk"
        )
    # Asked for exactly the target, a steady run reaches it and no more.
    held = measured >= 0.99 * row["target"] if row["id"] == "throughput" else measured > row["target"]
    return "met" if held else "breached" if measured < row["alertThreshold"] else "at risk"


def _measured(row_id: str, outcome: Outcome) -> float | None:
    result = outcome.result
    if result is None or not result.requests:
        return None
    return {
        "throughput": result.rate,
        "latency_p95": result.p95_ms,
        "latency_p99": result.p99_ms,
        "error_rate": None if result.error_share is None else 100 * result.error_share,
        "cache_hit_rate": None if result.hit_share is None else 100 * result.hit_share,
    }.get(row_id)


def junit(outcome: Outcome) -> str:
    """One case a check."""
    checks = outcome.verdict.checks
    suite = ET.Element(
        "testsuite",
        name=f"loadtest.{outcome.plan.test}.{outcome.plan.profile}",
        tests=str(len(checks)),
        failures=str(sum(one.state == "failed" for one in checks)),
        errors=str(sum(one.state == "invalid" for one in checks)),
        skipped=str(sum(one.state == "not judged" for one in checks)),
        time=f"{outcome.ended.elapsed_s:.1f}",
        timestamp=f"{outcome.plan.at:%Y-%m-%dT%H:%M:%S}",
    )
    for one in checks:
        case = ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=one.name)
        tag = {"failed": "failure", "invalid": "error", "not judged": "skipped"}.get(one.state)
        if tag:
            ET.SubElement(case, tag, message=_printable(f"{one.found}; wanted {one.wanted}"))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def comment(outcome: Outcome, compared: Compared | None = None) -> str:
    """For a pull request."""
    checks = [[one.name, MARKS[one.state], one.found, one.wanted] for one in outcome.verdict.checks]
    rows = [[one["name"], one["target"], one["run"], one["state"]] for one in objectives(outcome)]
    parts = [
        f"## Load test {outcome.plan.test} {outcome.plan.profile}: {outcome.verdict.word}\n",
        "".join(f"- {_cell(one)}\n" for one in outcome.verdict.reasons),
        table(["objective", "target", "this run", ""], rows),
        table(["check", "", "found", "wanted"], checks),
    ]
    if compared:
        lines = [
            [one.figure, one.answer, f"{one.before:.4g}", f"{one.after:.4g}", one.detail]
            for one in compared.lines
        ]
        parts += [
            f"Against the baseline: **{compared.sentence}**\n",
            "".join(f"- {_cell(one)}\n" for one in compared.incomparable),
            table(["figure", "", "baseline", "this run", ""], lines) if lines else "",
        ]
    whole = "\n".join(one for one in parts if one)
    if len(whole.encode()) <= MOST_COMMENT:
        return whole
    return whole.encode()[:MOST_COMMENT].decode(errors="ignore") + "\n\n(cut)\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(_cell(one) for one in line)} |\n" for line in lines)


def copy_text(outcome: Outcome, compared: Compared | None, place: Path) -> None:
    """Where the runbook says it is."""
    results.write(place, text(outcome, compared))


def percent(share: float | None) -> str:
    return "no samples" if share is None else f"{share:.3%}"


def _cell(value: str) -> str:
    return _printable(value).replace("|", "\\|").replace("\n", " ")


def _printable(value: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in value)


def _more(reasons: Sequence[str]) -> list[str]:
    left = len(reasons) - MOST_REASONS
    return [f"  and {left} more: see summary.json"] if left > 0 else []


def _load(outcome: Outcome) -> str:
    plan = outcome.plan
    if plan.users:
        return f"closed model, {plan.users} users: a service that slows down is asked less"
    return f"open model, up to {plan.most_rate:g} requests/s"


def _row_text(row: Mapping[str, str]) -> str:
    return f"SLO {row['name']:<19} {row['run']:>11} {row['target']:<12} {row['state']}"


def _unit(row: Mapping[str, Any]) -> str:
    return "%" if row["unit"] == "percent" else str(row["unit"])


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"
