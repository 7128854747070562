"""The report as one page: no script, no address but its own, charts drawn here."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from loadtests import generator, live

if TYPE_CHECKING:
    from loadtests.flow import Outcome

WIDTH, HEIGHT = 720, 160
LEFT, BOTTOM, TOP = 56, 24, 10
COLUMNS = ("name", "state", "run", "target", "service")


def page(outcome: "Outcome", objectives: Sequence[Mapping[str, str]]) -> str:
    template = Template((Path(__file__).parent / "report.html").read_text(encoding="utf-8"))
    intervals = live.intervals(list(outcome.ended.samples))
    samples = outcome.ended.samples
    used = generator.shares(samples, outcome.ended.cpus)
    plan = outcome.plan
    charts = [
        ("Requests a second", [(one.at_s, one.rate) for one in intervals]),
        ("Failed requests a second", [(one.at_s, one.failed_per_s) for one in intervals]),
        ("Mean latency, ms", [(one.at_s, one.mean_ms) for one in intervals]),
        ("P95 latency since the start, ms", [(one.elapsed_s, one.p95_ms) for one in samples]),
        ("Users of k6 that wait for an answer", [(one.elapsed_s, float(one.users)) for one in samples]),
        ("CPU of k6, % of what it may use", [(at, 100 * share) for at, share in used]),
    ]
    return template.substitute(
        title=escape(f"{plan.test} {plan.profile}: {outcome.verdict.word}"),
        word=outcome.verdict.word,
        told=escape(f"{plan.model} model, {plan.url}, {plan.at:%Y-%m-%d %H:%M} UTC, run {plan.run_id}"),
        reasons="".join(f"<li>{escape(one)}</li>" for one in outcome.verdict.reasons),
        objectives=_rows([[one[name] for name in COLUMNS] for one in objectives]),
        checks=_rows([[one.name, one.state, one.found, one.wanted] for one in outcome.verdict.checks]),
        charts="".join(chart(title, points) for title, points in charts),
    )


def chart(title: str, points: Sequence[tuple[float, float]]) -> str:
    """A line over seconds; its highest value and its length stand beside the axes."""
    if len(points) < 2:
        return ""
    longest, highest = max(at for at, _ in points), max(value for _, value in points) or 1.0
    drawn = " ".join(f"{_x(at, longest):.1f},{_y(value, highest):.1f}" for at, value in points)
    base = HEIGHT - BOTTOM
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}: at most {highest:.4g}">'
        f'<path class="axis" d="M{LEFT} {TOP}V{base}H{WIDTH - 8}"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{highest:.4g}</text>'
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">{longest:.0f} s</text>'
        f'<polyline points="{drawn}"/></svg></figure>'
    )


def _x(at: float, longest: float) -> float:
    return LEFT + (WIDTH - 8 - LEFT) * at / longest


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / highest


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "".join(
        f'<tr class="{escape(row[1].replace(" ", "-"))}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
