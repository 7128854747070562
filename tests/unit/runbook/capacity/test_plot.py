import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from runbook.capacity.plot import HEIGHT, WIDTH, Panel, svg, text

numbers = st.floats(-1e6, 1e6)


@given(
    points=st.lists(st.tuples(st.floats(-400, 400), numbers), max_size=30),
    fit=st.none() | st.tuples(st.tuples(numbers, numbers), st.tuples(numbers, numbers)),
    limit=st.none() | numbers,
)
def test_every_picture_is_whole_and_holds_all_its_points(
    points: list[tuple[float, float]],
    fit: tuple[tuple[float, float], tuple[float, float]] | None,
    limit: float | None,
) -> None:
    drawn = svg([Panel("a < b & c", "MB", points, fit, limit)])
    root = ET.fromstring(drawn)  # noqa: S314  # our own text
    dots = [one for one in root.iter() if one.tag.endswith("circle")]
    assert len(dots) == len(points)
    assert all(0 <= float(one.attrib["cx"]) <= WIDTH for one in dots)
    assert all(0 <= float(one.attrib["cy"]) <= HEIGHT for one in dots)
    assert "nan" not in drawn
    assert "inf" not in re.sub(r">[^<]*<", "><", drawn)


def test_the_largest_value_is_the_darkest_character() -> None:
    assert text([0.0, 5.0, 10.0]) == " =@"
    assert text([]) == ""
    assert text([0.0, 0.0]) == "  "


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_text_has_a_character_a_value(values: list[float]) -> None:
    assert len(text(values)) == len(values)
