"""Daily values with their line and their limit, as a picture or as text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, EDGE = 720, 220, 44
# Seen on white and on black; the dashed and the dotted line differ without colour.
INK, DOTS, FIT, LIMIT = "#777", "#1f77b4", "#555", "#d62728"
LEVELS = " .:-=+*#%@"


@dataclass(frozen=True)
class Panel:
    """One picture: values by day (0 is today), a straight line between two points, and a limit."""

    title: str
    unit: str
    points: Sequence[tuple[float, float]]
    fit: tuple[tuple[float, float], tuple[float, float]] | None = None
    limit: float | None = None


def svg(panels: Sequence[Panel]) -> str:
    """One file with all of them, one below the other."""
    height = HEIGHT * len(panels)
    body = "".join(
        f'<g transform="translate(0 {HEIGHT * place})">{_panel(one)}</g>' for place, one in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">{body}</svg>\n'
    )


def text(values: Sequence[float]) -> str:
    """One character a value, for a terminal of any kind."""
    most = max(values, default=0.0)
    last = len(LEVELS) - 1
    return "".join(LEVELS[round(last * max(0.0, one) / most)] if most > 0 else LEVELS[0] for one in values)


def _panel(panel: Panel) -> str:
    scale = _Scale(panel)
    dots = "".join(
        f'<circle cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3" fill="{DOTS}"/>' for x, y in panel.points
    )
    return "".join([_axes(panel, scale), _limit(panel, scale), _fit(panel, scale), dots])


class _Scale:
    """Days and values as places in the picture; zero is always in it."""

    def __init__(self, panel: Panel) -> None:
        shown = [*panel.points, *(panel.fit or ())]
        xs = [x for x, _ in shown] or [0.0]
        ys = [y for _, y in shown] + ([panel.limit] if panel.limit is not None else [])
        self.first: float = min(xs)
        self.last: float = max(xs)
        self.most: float = max([*ys, 0.0]) or 1.0

    def x(self, day: float) -> float:
        span = (self.last - self.first) or 1.0
        return EDGE + (WIDTH - 2 * EDGE) * (day - self.first) / span

    def y(self, value: float) -> float:
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * max(0.0, value) / self.most


def _axes(panel: Panel, scale: _Scale) -> str:
    left, right, bottom, top = EDGE, WIDTH - EDGE, HEIGHT - EDGE, EDGE
    return (
        f'<text x="{left}" y="20" font-weight="bold">{escape(panel.title)}, {escape(panel.unit)}</text>'
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="{INK}"/>'
        f'<text x="{left - 6}" y="{top + 4}" text-anchor="end">{scale.most:,.4g}</text>'
        f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>'
        f'<text x="{left}" y="{bottom + 18}">{scale.first:+.0f} days</text>'
        f'<text x="{right}" y="{bottom + 18}" text-anchor="end">{scale.last:+.0f} days</text>'
    )


def _limit(panel: Panel, scale: _Scale) -> str:
    if panel.limit is None:
        return ""
    y = scale.y(panel.limit)
    return (
        f'<path d="M{EDGE} {y:.1f}H{WIDTH - EDGE}" stroke="{LIMIT}" stroke-dasharray="2 4"/>'
        f'<text x="{WIDTH - EDGE}" y="{y - 5:.1f}" text-anchor="end">limit {panel.limit:,.4g}</text>'
    )


def _fit(panel: Panel, scale: _Scale) -> str:
    if panel.fit is None:
        return ""
    (x1, y1), (x2, y2) = panel.fit
    return (
        f'<path d="M{scale.x(x1):.1f} {scale.y(y1):.1f}L{scale.x(x2):.1f} {scale.y(y2):.1f}" '
        f'stroke="{FIT}" stroke-dasharray="8 4"/>'
    )
