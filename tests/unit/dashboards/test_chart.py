"""Pictures of boards: values as people write them, colours by their steps, lines where they belong."""

import re
from xml.etree import ElementTree as ET

import pytest

from dashboards.asking import Series, Span, named
from dashboards.board import Board, Panel, Query, Row, Unit, fact, falling, rising
from dashboards.chart import FILLS, colour_of, picture, shown

SPAN = Span(0, 100, 10)


def drawn(panel: Panel, *series: Series) -> str:
    return picture(Board("amas-test", "Test", "A test.", [Row("Row", [panel])]), {0: series}, SPAN)


def chart(*, is_stacked: bool = False, unit: Unit = Unit.COUNT, steps: bool = False) -> Panel:
    limits = rising(2, 50) if steps else ()
    return Panel("A & B", "A chart.", unit, [Query("up")], limits, is_stacked=is_stacked)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (0, Unit.SECONDS, "0 s"),
        (90, Unit.SECONDS, "90 s"),
        (7200, Unit.SECONDS, "2 h"),
        (400_000, Unit.SECONDS, "4.63 d"),
        (1500, Unit.MILLISECONDS, "1.5 s"),
        (0.0123, Unit.RATIO, "1.23 %"),
        (12.3, Unit.PERCENT, "12.3 %"),
        (512, Unit.BYTES, "512 B"),
        (3 << 29, Unit.BYTES, "1.5 GiB"),
        (1 << 20, Unit.BYTES_PER_SECOND, "1 MiB/s"),
        (1234.4, Unit.REQUESTS_PER_SECOND, "1,234/s"),
        (2.345, Unit.COUNT, "2.35"),
        (2, Unit.COUNT, "2"),
    ],
)
def test_a_value_is_shown_in_its_unit(value: float, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


def test_a_value_takes_the_colour_of_the_last_step_that_it_has_reached() -> None:
    steps = rising(0.2, 0.25)
    assert [colour_of(value, steps) for value in (0.1, 0.2, 0.3)] == [
        *map(FILLS.get, ("green", "orange", "red"))
    ]
    assert [colour_of(value, falling(0.7, 0.8)) for value in (0.5, 0.9)] == [FILLS["red"], FILLS["green"]]
    assert colour_of(1, ()) is None


@pytest.mark.parametrize(
    ("legend", "labels", "name"),
    [
        ("{{route}}", {"route": "insight", "job": "api"}, "insight"),
        ("used by {{job}}", {"job": "db"}, "used by db"),
        ("P95", {}, "P95"),
        ("{{route}}", {}, "none"),
        ("", {"job": "db", "a": "b"}, "a=b, job=db"),
    ],
)
def test_a_series_is_called_by_its_labels(legend: str, labels: dict[str, str], name: str) -> None:
    assert named(legend, labels) == name


def test_a_picture_is_xml_with_everything_escaped() -> None:
    ET.fromstring(drawn(chart(), Series("<x>", [(0, 1), (50, 2)])))  # noqa: S314 - made here


def test_a_panel_without_series_says_so() -> None:
    number = fact("Fact", "A fact.", Unit.COUNT, "up")
    assert "no data" in drawn(chart())
    assert "no data" in drawn(number)
    assert "no data" not in drawn(number, Series("", [(100, 3)]))


def heights(picture: str) -> list[list[float]]:
    """Of the points of each line, from the bottom of the picture."""
    lines = re.findall(r'd="M([\d .L-]+)" fill="none" stroke="#[0-9a-f]+" stroke-width', picture)
    return [[float(point.split()[1]) for point in line.split("L")] for line in lines]


def test_stacked_lines_stand_on_one_another_and_others_do_not() -> None:
    series = Series("a", [(0, 1), (100, 1)]), Series("b", [(0, 1), (100, 1)])
    apart = {tuple(line) for line in heights(drawn(chart(), *series))}
    stacked = heights(drawn(chart(is_stacked=True), *series))
    assert len(apart) == 1
    assert stacked[0] < stacked[1], "the second line is drawn first, above the other"


def test_a_limit_is_drawn_where_it_lies_within_the_picture() -> None:
    picture = drawn(chart(steps=True), Series("a", [(0, 3), (100, 4)]))
    assert picture.count("stroke-dasharray") == 1


def test_of_many_series_those_are_named_that_fit_and_the_rest_is_counted() -> None:
    many = [Series(f"a rather long name {number}", [(0, 1), (100, 1)]) for number in range(12)]
    picture = drawn(chart(), *many)
    told = picture.count("a rather long name")
    assert f"and {12 - told} more" in picture
