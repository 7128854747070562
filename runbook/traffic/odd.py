"""Traces that look wrong and are right: the edges of what must be stored."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook.traffic.bad import MOST_BYTES, MOST_DEPTH, MOST_NAME, encoded

Trace = dict[str, Any]
Make = Callable[[Trace, datetime], bytes]


@dataclass(frozen=True)
class Odd:
    """`make` gets a small complete trace with a fresh id, a UUIDv7 unless `free`, and the run's time."""

    name: str
    make: Make
    free: bool = False


def _with(name: str, value: object) -> Make:
    return lambda trace, _: encoded(trace | {name: value})


def _literal(name: str, text: bytes) -> Make:
    return lambda trace, _: encoded(trace | {name: "\N{REPLACEMENT CHARACTER}"}).replace(
        '"\N{REPLACEMENT CHARACTER}"'.encode(), text
    )


def _changed(change: Callable[[bytes], bytes]) -> Make:
    return lambda trace, _: change(encoded(trace))


def _time(spell: Callable[[datetime], str]) -> Make:
    return lambda trace, now: encoded(trace | {"occurredAt": spell(now - timedelta(hours=1))})


def _plain(when: datetime) -> str:
    return when.isoformat()[:19]


def _in_nepal(when: datetime) -> str:
    return f"{_plain(when + timedelta(hours=5, minutes=45))}.5+05:45"


def _smallest(trace: Trace, _: datetime) -> bytes:
    return encoded({name: trace[name] for name in ("decisionId", "userId", "action", "durationMs")})


def _largest(trace: Trace, _: datetime) -> bytes:
    room = MOST_BYTES - len(encoded(trace | {"filler": ""}))
    return encoded(trace | {"filler": "x" * room})


def _capitals(trace: Trace, _: datetime) -> bytes:
    return encoded(trace | {"decisionId": trace["decisionId"].upper()})


def _long_name(letter: str) -> Callable[[str], str]:
    return lambda start: start + letter * (MOST_NAME - len(start))


def _long_user(trace: Trace, _: datetime) -> bytes:
    return encoded(trace | {"userId": _long_name("🧠")(trace["userId"])})


# A level is a bracket: the trace's own is the first.
_DEEPEST = b'{"a":' * (MOST_DEPTH - 1) + b"0" + b"}" * (MOST_DEPTH - 1)
_NAMES = {
    "": 1,
    "__proto__": {"a": 1},
    "$where": "1",
    "a.b": 2,
    "run_id": "x",
    "created_at": 0,
    "🧠": None,
    "'": "''",
}

_MANY_DIGITS = b'{"a":12345678901234567890123,"b":0.12345678901234567890123,"c":9007199254740993,"d":1e23}'
_ALL_SIZES = b'{"a":1e-300,"b":-1e300,"c":-0,"d":10e-1,"e":0.1e1}'
_MODEL = {"name": "m", "weights": [0.5, -1, 3e5], "nested": {"deep": [True]}}

ODD: tuple[Odd, ...] = (
    Odd("smallest", _smallest),
    Odd("largest", _largest),
    Odd("deepest", _literal("stateSnapshot", _DEEPEST)),
    Odd("id-in-capitals", _capitals),
    Odd("longest-user", _long_user),
    Odd("longest-action", _with("action", _long_name("字")("🧠"))),
    Odd("duration-zero", _with("durationMs", 0)),
    Odd("duration-minus-zero", _literal("durationMs", b"-0.0")),
    Odd("duration-with-exponent", _literal("durationMs", b"1.25E+2")),
    Odd("duration-tiny", _literal("durationMs", b"5e-324")),
    Odd("duration-huge", _literal("durationMs", b"1.7976931348623157e308")),
    Odd("numbers-with-many-digits", _literal("stateSnapshot", _MANY_DIGITS)),
    Odd("numbers-of-all-sizes", _literal("difficultyFactors", _ALL_SIZES)),
    Odd("empty-parts", lambda trace, _: encoded(
        trace | {"stateSnapshot": {}, "difficultyFactors": {}, "triggers": []})),
    Odd("nulls-inside", _with("stateSnapshot", {"a": None, "b": [None, [], {}]})),
    Odd("many-triggers", _with("triggers", [f"t{number}" for number in range(500)] + [""])),
    Odd("many-factors", _with("difficultyFactors", {f"f{number}": number / 7 for number in range(300)})),
    Odd("many-brackets", _with("stateSnapshot", {"a": [[]] * 200, "b": "[{" * 200})),
    Odd("unknown-fields", _with("model", _MODEL)),
    Odd("unknown-field-null", _with("comment", None)),
    Odd("strange-names", lambda trace, _: encoded(trace | _NAMES)),
    Odd("backslash-u0000", _literal("action", rb'"\\u0000"')),
    Odd("everything-escaped", lambda trace, _: json.dumps(trace | {"action": "слово 🧠 \x7f"}).encode()),
    Odd("noncharacters", _with("action", "\uffff\ufdd0\U0010ffff\ue000")),
    Odd("line-separators", _with("action", "a\u2028b\u2029c\x85d")),
    Odd("controls-escaped", _literal("action", rb'"\u0001\b\f\n\r\t\u001f\/"')),
    Odd("composed-beside-decomposed", _with("stateSnapshot", {"\u00e9": 1, "e\u0301": 2})),
    Odd("spaces", _changed(lambda raw: b" \t" + raw.replace(b'":', b'" :\t') + b"  ")),
    Odd("carriage-return", _changed(lambda raw: raw + b"\r")),
    Odd("time-in-small-letters", _time(lambda when: f"{_plain(when)}z".lower()), free=True),
    Odd("time-with-space", _time(lambda when: f"{_plain(when)}Z".replace("T", " ")), free=True),
    Odd("time-with-nanoseconds", _time(lambda when: f"{_plain(when)}.123456789Z"), free=True),
    Odd("time-with-zone", _time(_in_nepal), free=True),
    Odd("leap-second", _time(lambda when: f"{_plain(when)[:17]}60Z"), free=True),
    Odd("ahead", _time(lambda when: (when + timedelta(minutes=65)).isoformat()), free=True),
)  # fmt: skip
