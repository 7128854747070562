"""What a board is made of, and where its panels stand. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

COLUMNS = 24
FACT_HEIGHT, CHART_HEIGHT = 4, 8


class Unit(StrEnum):
    """Units by the names Grafana knows them by."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    RATIO = "percentunit"
    PERCENT = "percent"
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    REQUESTS_PER_SECOND = "reqps"
    OPERATIONS_PER_SECOND = "ops"
    ROWS_PER_SECOND = "wps"
    COUNT = "short"
    MOMENT = "dateTimeAsIso"
    YES_OR_NO = "bool_yes_no"
    UP_OR_DOWN = "bool_on_off"


class Colour(StrEnum):
    """Good, to be watched, bad."""

    GREEN = "green"
    ORANGE = "orange"
    RED = "red"


# A colour from this value on; the first begins at the bottom.
Step = tuple[float | None, Colour]


@dataclass(frozen=True)
class Query:
    """PromQL, and how its series are called: label names in double braces."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`is_fact`: the newest value as a number; else a chart over time."""

    title: str
    description: str
    unit: Unit
    queries: Sequence[Query]
    steps: Sequence[Step] = ()
    is_fact: bool = False
    is_stacked: bool = False
    width: int = 8

    @property
    def height(self) -> int:
        return FACT_HEIGHT if self.is_fact else CHART_HEIGHT


@dataclass(frozen=True)
class Row:
    """Panels that answer one question together."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Mark:
    """Drawn into every chart. `is_moment`: the value is the time of it, in milliseconds."""

    name: str
    expr: str
    title: str
    colour: str
    is_moment: bool = False


@dataclass(frozen=True)
class Board:
    """`uid` is the name of its file too. The first row answers whether all is well."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    tags: Sequence[str] = ()

    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels


@dataclass(frozen=True)
class Place:
    """On a grid of 24 columns."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: "Place") -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def places(board: Board) -> Iterator[tuple[Row | Panel, Place]]:
    """Rows below one another, panels from left to right, line by line."""
    y = 0
    for row in board.rows:
        yield row, Place(0, y, COLUMNS, 1)
        x, y, line = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line = 0, y + line, 0
            yield panel, Place(x, y, panel.width, panel.height)
            x, line = x + panel.width, max(line, panel.height)
        y += line


def fact(  # noqa: PLR0913 - a panel's own fields
    title: str,
    description: str,
    unit: Unit,
    expr: str,
    steps: Sequence[Step] = (),
    *,
    legend: str = "",
    width: int = 4,
) -> Panel:
    return Panel(title, description, unit, [Query(expr, legend)], steps, is_fact=True, width=width)


def rising(watch: float, bad: float) -> Sequence[Step]:
    """The more, the worse."""
    return (None, Colour.GREEN), (watch, Colour.ORANGE), (bad, Colour.RED)


def falling(bad_below: float, watch_below: float) -> Sequence[Step]:
    """The less, the worse."""
    return (None, Colour.RED), (bad_below, Colour.ORANGE), (watch_below, Colour.GREEN)


def none_wanted() -> Sequence[Step]:
    """Anything above zero is bad."""
    return (None, Colour.GREEN), (1e-9, Colour.RED)


def all_wanted(count: float = 1) -> Sequence[Step]:
    """Anything below is bad."""
    return (None, Colour.RED), (count, Colour.GREEN)
