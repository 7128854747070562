"""What JSON text is refused although a parser would take it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.insights import screen


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a":1} x',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1e-400}',
    ],
)
def test_what_is_no_json_of_ours_is_refused(raw: bytes) -> None:
    with pytest.raises(screen.Screened, match="not JSON in UTF-8"):
        screen.decode(raw)


@pytest.mark.parametrize(
    "raw", [b'{"a":"\\u0000"}', b'{"\\u0000":1}', b'[["x\\u0000"]]', b'{"a":[{"b":"\\u0000"}]}']
)
def test_nul_is_refused_wherever_it_stands(raw: bytes) -> None:
    with pytest.raises(screen.Screened, match=r"U\+0000"):
        screen.decode(raw)


def test_an_escaped_backslash_is_no_nul() -> None:
    assert screen.decode(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a" : 1, "b":{"c":1,"c"\t:2}}',
        b'[{"x":1,"x":2}]',
        b'{"\\u0061":1,"a":2}',
        b'{"a":{},"a":{}}',
    ],
)
def test_a_name_twice_in_one_object_is_refused(raw: bytes) -> None:
    """One of the two values would be lost without a word."""
    with pytest.raises(screen.Screened, match="twice in one object"):
        screen.decode(raw)


@pytest.mark.parametrize(
    "raw", [b'{"a":{"a":1}}', b'[{"a":1},{"a":2}]', b'{"a":"\\": \\":","b":"::"}', b'{"t":":"}']
)
def test_the_same_name_in_different_objects_is_fine(raw: bytes) -> None:
    assert screen.decode(raw) == json.loads(raw)


def test_depth_is_limited_exactly() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    screen.decode(nested(screen.MOST_DEPTH))
    for levels in (screen.MOST_DEPTH + 1, 500, 30_000):
        with pytest.raises(screen.Screened, match="deeper than 32"):
            screen.decode(nested(levels))


def test_many_brackets_are_no_depth() -> None:
    raw = json.dumps({"a": [[]] * 100, "b": "[" * 100}).encode()
    assert screen.decode(raw) == json.loads(raw)


def test_spellings_of_a_number_are_one_value() -> None:
    assert repr(screen.decode(b"[1, 1.0, 1e0, 10e-1, -0.0, 0, 1.5, 9007199254740993]")) == repr(
        [1, 1, 1, 1, 0, 0, 1.5, 9007199254740993]
    )


names = st.text(max_size=5)
values = st.recursive(
    st.integers() | names, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=20
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_objects_without_repeated_names_pass(value: object, ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    """Lone surrogates and NUL may be refused, a repeated name never is found."""
    try:
        came = screen.decode(raw)
    except screen.Screened as error:
        came = value if "twice" not in str(error) else error
    assert came == value


members = st.recursive(
    st.sampled_from(["1", '":"', '" :"', '"\\":"', "1.5", "[]"]),
    lambda inner: st.lists(st.tuples(st.sampled_from(["a", "b", ":", "\\u0061"]), inner), max_size=3),
    max_leaves=12,
)


def written(value: object, colon: str) -> str:
    if not isinstance(value, list):
        return str(value)
    return "{" + ",".join(f'"{name}"{colon}{written(inner, colon)}' for name, inner in value) + "}"


def repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise KeyError
    return dict(pairs)


@given(members, st.sampled_from([":", " :", ": ", "\t\n:"]))
def test_repeated_names_are_found_however_they_are_spelled(value: object, colon: str) -> None:
    """Also beside texts that look like the end of a name."""
    raw = written(value, colon)
    try:
        expected = json.loads(raw, object_pairs_hook=repeats)
    except KeyError:
        with pytest.raises(screen.Screened, match="twice in one object"):
            screen.decode(raw.encode())
    else:
        assert screen.decode(raw.encode()) == expected
