"""Lists: parameters are checked, pages join without gap or repetition."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import keyset
from service.errors import Problem
from service.insights import page

START = datetime(2026, 11, 1, tzinfo=UTC)


class Database:
    """Rows in memory, with the meaning of the query."""

    def __init__(self, rows: list[tuple[str, datetime, str]]) -> None:
        self._rows = sorted(rows, key=lambda row: row[1:], reverse=True)

    async def rows(self, _: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        before = (parameters["before"], parameters["before_id"])
        found = [
            row
            for row in self._rows
            if parameters["since"] <= row[1] < parameters["until"] and row[1:] < before
        ]
        return list(found[: parameters["most"]])


@pytest.mark.anyio
@pytest.mark.parametrize("limit", ["1", "2", "3", "5", "100"])
async def test_pages_join_without_gap_or_repetition(limit: str) -> None:
    """Also where many rows share one time."""
    rows = [(f'{{"n":{n}}}', START + timedelta(hours=n // 4), f"id-{n}") for n in range(11)]
    seen: list[int] = []
    parameters = {"limit": limit}
    while True:
        answer = msgspec.json.decode(await page.read(Database(rows), page.parse(parameters)))
        seen += [item["n"] for item in answer["items"]]
        if answer["nextCursor"] is None:
            break
        parameters["cursor"] = answer["nextCursor"]
    assert sorted(seen) == list(range(11))
    assert len(seen) == 11


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("limit", "\uff11"),
        ("limit", "9" * 5000),
        ("from", "yesterday"),
        ("to", "2026-11-01"),
        ("userId", ""),
        ("userId", "a\0"),
        ("cursor", ""),
        ("cursor", "ü"),
        ("cursor", "AAAA"),
        ("cursor", keyset.write_cursor(keyset.Cursor(START, "x"))[:-3]),
        ("order", "asc"),
    ],
)
def test_a_bad_parameter_is_400_and_named(name: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        page.parse({name: value})
    assert caught.value.status == 400
    assert caught.value.field == name


def test_an_unescaped_plus_of_a_zone_is_understood() -> None:
    assert page.parse({"from": "2026-11-01T01:00:00 01:00"}).since == START


@given(st.text(max_size=60))
def test_no_text_breaks_the_cursor(text: str) -> None:
    """Problem 400 is the only error there may be."""
    with suppress(Problem):
        keyset.read_cursor(text)


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
    st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True),
)
def test_a_cursor_comes_back_as_it_was(before: datetime, before_id: str) -> None:
    cursor = keyset.Cursor(before, before_id)
    assert keyset.read_cursor(keyset.write_cursor(cursor)) == cursor
