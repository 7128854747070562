"""A board as one SVG picture, drawn from what its queries returned. Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from dashboards.asking import Series, Span
from dashboards.board import COLUMNS, Board, Panel, Place, Step, Unit, places

COLUMN, LINE, GAP = 52, 26, 8
HEAD = 56
WIDTH = COLUMN * COLUMNS + GAP
INK, FAINT, GRID, CARD, PAPER = "#1f2430", "#667085", "#e4e7ec", "#ffffff", "#f4f5f7"
# Told apart by people who see few colours, too (Okabe and Ito).
LINES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#444444")
FILLS = {"green": "#1a7f4b", "orange": "#b45309", "red": "#b42318"}
NAME_LINES = 2
LETTER = 6.4
# Where an axis may end, times a power of ten or of two.
STEPS = (1, 2, 3, 4, 5, 6, 8, 10)

Found = Mapping[int, Sequence[Series]]


def picture(board: Board, found: Found, span: Span) -> str:
    """`found`: the series of each panel, by its place in the board."""
    placed = list(places(board))
    height = HEAD + max(place.y + place.height for _, place in placed) * LINE + GAP
    panels = iter(range(len(placed)))
    drawn = [_row(one.title, place) if not isinstance(one, Panel) else _panel(
        one, found.get(next(panels), ()), place, span) for one, place in placed]  # fmt: skip
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{_head(board)}{"".join(drawn)}</svg>\n'
    )


def shown(value: float, unit: Unit) -> str:
    """As people write it."""
    if unit in {Unit.SECONDS, Unit.MILLISECONDS}:
        return _duration(value / 1000 if unit is Unit.MILLISECONDS else value)
    if unit in {Unit.BYTES, Unit.BYTES_PER_SECOND}:
        return _size(value) + ("/s" if unit is Unit.BYTES_PER_SECOND else "")
    if unit is Unit.RATIO:
        return f"{100 * value:.3g} %"
    if unit is Unit.PERCENT:
        return f"{value:.3g} %"
    number = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    rates = (Unit.REQUESTS_PER_SECOND, Unit.OPERATIONS_PER_SECOND, Unit.ROWS_PER_SECOND)
    return f"{number}/s" if unit in rates else number


def colour_of(value: float, steps: Sequence[Step]) -> str | None:
    """Of the last step that the value has reached."""
    reached = [colour for least, colour in steps if least is None or value >= least]
    return FILLS[reached[-1]] if reached else None


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{1000 * seconds:.3g} ms"


def _size(count: float) -> str:
    for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:.0f} B"


def _head(board: Board) -> str:
    return (
        f'<text x="{GAP}" y="26" font-size="18" font-weight="600">{escape(board.title)}</text>'
        f'<text x="{GAP}" y="45" fill="{FAINT}">{escape(board.description)}</text>'
    )


def _row(title: str, place: Place) -> str:
    y = HEAD + place.y * LINE + 18
    return f'<text x="{GAP}" y="{y}" font-weight="600" fill="{FAINT}">{escape(title)}</text>'


def _panel(panel: Panel, found: Sequence[Series], place: Place, span: Span) -> str:
    x, y = GAP + place.x * COLUMN, HEAD + place.y * LINE
    width, height = place.width * COLUMN - GAP, place.height * LINE - GAP
    body = _fact(panel, found, width, height) if panel.is_fact else _chart(panel, found, width, height, span)
    return f'<g transform="translate({x} {y})">{body}</g>'


def _fact(panel: Panel, found: Sequence[Series], width: int, height: int) -> str:
    value = found[0].newest if found else None
    fill = colour_of(value, panel.steps) if value is not None else None
    ink = CARD if fill else INK
    text = "no data" if value is None else shown(value, panel.unit)
    return (
        f'<rect width="{width}" height="{height}" rx="6" fill="{fill or CARD}"/>'
        f'<text x="10" y="20" fill="{ink}">{escape(panel.title)}</text>'
        f'<text x="{width / 2}" y="{height / 2 + 20}" font-size="28" font-weight="600" text-anchor="middle" '
        f'fill="{ink}">{escape(text)}</text>'
    )


def _chart(panel: Panel, found: Sequence[Series], width: int, height: int, span: Span) -> str:
    lines = _stacked(found) if panel.is_stacked else list(found)
    plot = _Plot(width, height, span, _top(lines, panel.unit))
    drawn = "".join(_line(place, one, plot, panel.is_stacked) for place, one in reversed([*enumerate(lines)]))
    nothing = "" if found else f'<text x="{width / 2}" y="{height / 2}" text-anchor="middle">no data</text>'
    return (
        f'<rect width="{width}" height="{height}" rx="6" fill="{CARD}"/>'
        f'<text x="10" y="20" font-weight="600">{escape(panel.title)}</text>'
        f"{_axes(panel, plot)}{drawn}{_limits(panel, plot)}{_names(found, plot)}{nothing}"
    )


class _Plot:
    """Where a moment and a value stand in a panel; zero is always in it."""

    left, top, foot = 64, 34, 46

    def __init__(self, width: int, height: int, span: Span, most: float) -> None:
        self.right, self.bottom = width - 12, height - self.foot
        self.span, self.most = span, most

    def x(self, at: float) -> float:
        part = (at - self.span.start) / ((self.span.end - self.span.start) or 1)
        return self.left + (self.right - self.left) * part

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * max(0.0, value) / self.most


def _top(lines: Sequence[Series], unit: Unit) -> float:
    """A round number, so that half of it is one as well."""
    most = max((value for one in lines for _, value in one.points), default=0.0)
    if most <= 0:
        return 1.0
    base = 2.0 if unit in {Unit.BYTES, Unit.BYTES_PER_SECOND} else 10.0
    power = base ** math.floor(math.log(most, base))
    return next(step * power for step in (*STEPS, base) if step * power >= most)


def _stacked(found: Sequence[Series]) -> list[Series]:
    """Each on top of those before it; where one has no value it adds nothing."""
    sums: dict[float, float] = {}
    lines = []
    for one in found:
        for at, value in one.points:
            sums[at] = sums.get(at, 0.0) + value
        lines.append(Series(one.name, [(at, sums[at]) for at, _ in one.points]))
    return lines


def _axes(panel: Panel, plot: _Plot) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        value = share * plot.most
        y = plot.y(value)
        parts.append(
            f'<path d="M{plot.left} {y:.1f}H{plot.right}" stroke="{GRID}"/>'
            f'<text x="{plot.left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11" fill="{FAINT}">'
            f"{escape(shown(value, panel.unit))}</text>"
        )
    for at, anchor in ((plot.span.start, "start"), (plot.span.end, "end")):
        clock = datetime.fromtimestamp(at, UTC).strftime("%H:%M")
        parts.append(
            f'<text x="{plot.x(at):.1f}" y="{plot.bottom + 15}" text-anchor="{anchor}" font-size="11" '
            f'fill="{FAINT}">{clock}</text>'
        )
    return "".join(parts)


def _limits(panel: Panel, plot: _Plot) -> str:
    """A threshold is drawn where it lies within the picture."""
    return "".join(
        f'<path d="M{plot.left} {plot.y(least):.1f}H{plot.right}" stroke="{FILLS[colour]}" '
        'stroke-dasharray="5 4"/>'
        for least, colour in panel.steps
        if least and least <= plot.most
    )


def _line(place: int, one: Series, plot: _Plot, is_filled: bool) -> str:
    colour = LINES[place % len(LINES)]
    points = [f"{plot.x(at):.1f} {plot.y(value):.1f}" for at, value in one.points]
    if len(points) == 1:
        x, y = points[0].split()
        return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'
    path = f'<path d="M{"L".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    if not is_filled:
        return path
    first, last = (plot.x(one.points[end][0]) for end in (0, -1))
    area = f"M{first:.1f} {plot.bottom}L{'L'.join(points)}L{last:.1f} {plot.bottom}Z"
    return f'<path d="{area}" fill="{colour}" fill-opacity="0.35"/>{path}'


def _names(found: Sequence[Series], plot: _Plot) -> str:
    """Two lines of what fits, and how many do not."""
    room = plot.right - 10
    longest = max((len(one.name) for one in found), default=1)
    columns = max(2, min(6, int(room / (longest * LETTER + 26))))
    fits = NAME_LINES * columns if len(found) <= NAME_LINES * columns else NAME_LINES * columns - 1
    texts = [(LINES[place % len(LINES)], one.name) for place, one in enumerate(found[:fits])]
    if len(found) > fits:
        texts.append((CARD, f"and {len(found) - fits} more"))
    return "".join(
        _name(
            colour, text, 10 + room / columns * (place % columns), plot.bottom + 30 + 13 * (place // columns)
        )
        for place, (colour, text) in enumerate(texts)
    )


def _name(colour: str, text: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y - 8:.1f}" width="8" height="8" fill="{colour}"/>'
        f'<text x="{x + 12:.1f}" y="{y:.1f}" font-size="11">{escape(text)}</text>'
    )
