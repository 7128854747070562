"""Curves of a simulated run, one below the other on the same hours, as SVG. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from runbook.scale.decide import Action, Rules
from runbook.scale.simulate import SLO_MS, Model, Point
from runbook.scale.traces import Trace

WIDTH, HEIGHT, EDGE = 860, 130, 48
# Seen on white and on black; limits are dotted, so that they differ without colour.
INK, LIMIT, BLIND = "#777", "#d62728", "#999"
MOST_POINTS = 600


@dataclass(frozen=True)
class _Curve:
    title: str
    colour: str
    of: Callable[[Point], float]
    limit: Callable[[Rules], float] | None = None
    most: float | None = None
    stepped: bool = False


CURVES = (
    _Curve("requests a second", "#1f77b4", lambda one: one.load),
    _Curve("replicas", "#2ca02c", lambda one: one.replicas, lambda rules: rules.most, stepped=True),
    _Curve(
        "CPU of a replica, %", "#9467bd", lambda one: one.cpu_percent, lambda rules: rules.cpu_percent, 100
    ),
    _Curve("p95, ms", "#ff7f0e", lambda one: min(one.p95_ms, 4 * SLO_MS), lambda rules: rules.latency_ms),
    _Curve(
        "fullest memory, %",
        "#8c564b",
        lambda one: one.memory_percent,
        lambda rules: rules.memory_percent,
        100,
    ),
)


def svg(trace: Trace, rules: Rules, points: Sequence[Point]) -> str:
    """All curves of one trace; restarts are ticks under the memory."""
    height = HEIGHT * len(CURVES) + 40
    panels = "".join(
        f'<g transform="translate(0 {30 + HEIGHT * place})">{_panel(curve, trace, rules, points)}</g>'
        for place, curve in enumerate(CURVES)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">'
        f'<text x="{EDGE}" y="20" font-size="15">{escape(f"{trace.name}: {trace.what}")}</text>'
        f"{panels}</svg>\n"
    )


def _panel(curve: _Curve, trace: Trace, rules: Rules, points: Sequence[Point]) -> str:
    limit = curve.limit(rules) if curve.limit else None
    most = curve.most or max([*(curve.of(one) for one in points), limit or 0.0]) or 1.0
    bottom, top, right = HEIGHT - 30, 20, WIDTH - EDGE

    def x(at: float) -> float:
        return EDGE + (right - EDGE) * at / trace.length_s

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    return "".join(
        [
            _blind(trace, x, top, bottom),
            f'<path d="M{EDGE} {top}V{bottom}H{right}" fill="none" stroke="{INK}"/>',
            f'<text x="{EDGE}" y="{top - 6}" font-weight="bold">{escape(curve.title)}</text>',
            f'<text x="{EDGE - 5}" y="{top + 4}" text-anchor="end">{most:,.4g}</text>',
            f'<text x="{right}" y="{bottom + 15}" text-anchor="end">{trace.length_s / 3600:g} h</text>',
            _limit(limit, y, right),
            f'<path d="{_line(curve, points, x, y)}" fill="none" stroke="{curve.colour}"/>',
            _ticks(curve, points, x, bottom),
        ]
    )


def _line(
    curve: _Curve, points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    shown = points[:: max(1, len(points) // MOST_POINTS)]
    first = f"M{x(shown[0].at):.1f} {y(curve.of(shown[0])):.1f}"
    to = "H{0:.1f}V{1:.1f}" if curve.stepped else "L{0:.1f} {1:.1f}"
    return first + "".join(to.format(x(one.at), y(curve.of(one))) for one in shown[1:])


def _limit(limit: float | None, y: Callable[[float], float], right: float) -> str:
    if limit is None:
        return ""
    return f'<path d="M{EDGE} {y(limit):.1f}H{right}" stroke="{LIMIT}" stroke-dasharray="2 4"/>'


def _blind(trace: Trace, x: Callable[[float], float], top: float, bottom: float) -> str:
    begins, ends = trace.blind
    if ends <= begins:
        return ""
    return (
        f'<rect x="{x(begins):.1f}" y="{top}" width="{x(ends) - x(begins):.1f}" height="{bottom - top}" '
        f'fill="{BLIND}" fill-opacity="0.25"/>'
    )


def _ticks(curve: _Curve, points: Sequence[Point], x: Callable[[float], float], bottom: float) -> str:
    if not curve.title.startswith("fullest"):
        return ""
    return "".join(
        f'<path d="M{x(one.at):.1f} {bottom}v6" stroke="{INK}" stroke-width="2"/>'
        for one in points
        if one.decision.action is Action.RESTART
    )


def page(pictures: Sequence[str], rows: Sequence[Sequence[str]], model: Model) -> str:
    """One HTML file with the figures of each trace above its curves."""
    head, *body = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    table = f"<table><tr>{head.replace('td>', 'th>')}</tr>" + "".join(f"<tr>{one}</tr>" for one in body)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Scaling, simulated</title>'
        "<style>body{font:14px sans-serif;max-width:900px;margin:2em auto;padding:0 1em}"
        "td,th{padding:2px 10px;text-align:right}td:first-child,th:first-child{text-align:left}"
        "svg{max-width:100%;height:auto}</style>"
        "<h1>Scaling, simulated</h1><p>A replica takes "
        f"{model.requests:,.0f} requests a second with a whole core; dotted: triggers and bounds; "
        f"grey: nothing could be seen; ticks: restarts.</p>{table}</table>{''.join(pictures)}</html>\n"
    )
