"""Lines come out of a stream however it is cut."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.insights import lines

pytestmark = pytest.mark.anyio


async def parts(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def split(*pieces: bytes, most_line: int = 10, most: int = 1000) -> list[tuple[int, bytes | None]]:
    return [(one.number, one.content) async for one in lines.split(parts(*pieces), most_line, most)]


async def test_blank_lines_are_counted_and_left_out() -> None:
    assert await split(b"a\n\n \r\nb\r\n") == [(1, b"a"), (4, b"b")]


async def test_the_last_line_needs_no_end() -> None:
    assert await split(b"a\nb") == [(1, b"a"), (2, b"b")]


async def test_a_long_line_is_reported_and_the_next_is_read() -> None:
    assert await split(b"x" * 8, b"x" * 8, b"x" * 8 + b"\nok\n" + b"y" * 11) == [
        (1, None),
        (2, b"ok"),
        (3, None),
    ]


async def test_more_bytes_than_allowed_end_it() -> None:
    with pytest.raises(lines.TooManyBytes):
        await split(b"aaaa\n" * 3, most=14)


@given(
    content=st.lists(st.binary(max_size=12).map(lambda one: one.replace(b"\n", b"")), max_size=8),
    cuts=st.lists(st.integers(0, 100), max_size=6),
)
def test_cuts_change_nothing(content: list[bytes], cuts: list[int]) -> None:
    import anyio  # noqa: PLC0415  # a property test brings its own loop

    whole = b"\n".join(content)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in pairwise(places)]
    assert anyio.run(lambda: split(*pieces)) == anyio.run(lambda: split(whole))
