"""Screens JSON bytes for what a parser lets through and the database or a reader would trip over."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

MOST_DEPTH = 32
# What the database's numbers hold after the point; before it they hold more than a trace can be long.
MOST_DIGITS = 16_383
# What JSON takes for blanks.
_BLANKS = b" \t\n\r"
# Only a number longer than this, or with an exponent, can be too large, too small or too precise.
_SHORT = 64
_NONZERO = re.compile(r"[1-9]")


class Screened(ValueError):
    """The text is not JSON that can be kept; the message says why."""


def decode(raw: bytes) -> Any:
    """The value of one JSON text, all of it screened; raises Screened.

    Numbers written with a point or an exponent come back as the number they mean: 1.0 and 1e0 as 1.
    """
    value = decode_but_names(raw)
    demand_distinct_names(raw, value, msgspec.json.encode(value))
    return value


def decode_but_names(raw: bytes) -> Any:
    """`decode` for who calls `demand_distinct_names` as well."""
    try:
        value = _DECODER.decode(raw)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Screened(f"is not JSON in UTF-8: {error}") from None
    # Brackets inside texts count too, so few of them prove that the value is not deep.
    if raw.count(b"{") + raw.count(b"[") > MOST_DEPTH and _depth(value) > MOST_DEPTH:
        raise _too_deep()
    if b"\\u0000" in raw and _has_nul(value):
        raise Screened("holds the character U+0000 (\\u0000), which the database cannot keep")
    return value


def demand_distinct_names(raw: bytes, value: Any, written: bytes, names_left_out: int = 0) -> None:
    """Raises Screened when an object lost a member, since its name came twice.

    `written` is the value in JSON again, perhaps without some of its names: it has fewer quotes then, unless
    texts hold some of their own.
    """
    if b"\\" in raw:
        # Each name ends with a quote and a colon; a text may look so too, which only makes us look closer.
        complete = raw.translate(None, _BLANKS).count(b'":') == _members(value)
    else:
        complete = raw.count(b'"') == written.count(b'"') + 2 * names_left_out
    if not complete:
        _refuse_repeated_names(raw)


def fault(parts: Mapping[str, msgspec.Raw]) -> tuple[str, Screened] | None:
    """The member in whose value `decode` finds a fault, and which; None when it lies in none alone."""
    for name, part in parts.items():
        try:
            decode(bytes(part))
        except Screened as error:
            return name, error
    return None


def _number(text: str) -> int | float:
    value = float(text)
    # Most numbers: what follows changes and refuses none of these.
    if not value.is_integer() and len(text) <= _SHORT and "e" not in text and "E" not in text:
        return value
    mantissa, _, exponent = text.lower().partition("e")
    if value in (float("inf"), float("-inf")) or (value == 0 and _NONZERO.search(mantissa)):
        raise ValueError(f"the number {text[:40]} is outside what a double can hold")
    if (exponent or len(text) > MOST_DIGITS) and _digits(mantissa, exponent) > MOST_DIGITS:
        raise ValueError(f"the number {text[:40]} has more than {MOST_DIGITS} decimal digits")
    # 2**53: from there on not every whole number is a double.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _digits(mantissa: str, exponent: str) -> int:
    """What it would take to write the number without an exponent, at most."""
    return sum(map(str.isdigit, mantissa)) + abs(int(exponent or 0))


_DECODER = msgspec.json.Decoder(float_hook=_number)


def _depth(value: Any) -> int:
    """Levels of nesting, counted level by level: the value may be deeper than the interpreter's stack."""
    level = [value]
    depth = 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def _members(value: Any) -> int:
    """How many members the objects of a value have together."""
    count = 0
    if type(value) is dict:
        count = len(value)
        value = value.values()
    for inner in value if not isinstance(value, str | int | float | None) else ():
        if type(inner) is dict or type(inner) is list:
            count += _members(inner)
    return count


def _refuse_repeated_names(raw: bytes) -> None:
    """Raises Screened for a name that stands twice in one object: one of its values would be lost."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in members:
            if name in seen:
                raise Screened(f"has the name {json.dumps(name)[:80]} twice in one object")
            seen[name] = value
        return seen

    # Only the names matter here: numbers stay text, which also skips the limit on long ones.
    json.loads(raw, object_pairs_hook=pairs, parse_int=str, parse_float=str, parse_constant=_constant)


def _constant(name: str) -> NoReturn:
    raise Screened(f"holds {name}, which is not JSON")


def _too_deep() -> Screened:
    return Screened(f"is nested deeper than {MOST_DEPTH} levels")
