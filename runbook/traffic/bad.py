"""Every way of being wrong that a sender has found so far: name, maker, the answer that is due.

Each line has exactly one thing wrong with it, so that the answer can name it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.traffic.ids import LONGEST, milliseconds

Trace = dict[str, Any]
Make = Callable[[Trace, datetime], bytes]

MOST_BYTES = 65_536
MOST_DEPTH = 32
MOST_NAME = 256


@dataclass(frozen=True)
class Bad:
    """`make` gets a small complete trace with a fresh UUIDv7, and the run's time."""

    name: str
    make: Make
    field: str | None = None
    status: int = 400
    alone: bool = False


def encoded(trace: Trace) -> bytes:
    return json.dumps(trace, ensure_ascii=False, separators=(",", ":")).encode()


def _without(name: str) -> Make:
    return lambda trace, _: encoded({key: value for key, value in trace.items() if key != name})


def _with(name: str, value: object) -> Make:
    return lambda trace, _: encoded(trace | {name: value})


def _literal(name: str, text: bytes) -> Make:
    """A value that no JSON encoder would write."""
    return lambda trace, _: encoded(trace | {name: "\N{REPLACEMENT CHARACTER}"}).replace(
        '"\N{REPLACEMENT CHARACTER}"'.encode(), text
    )


def _changed(change: Callable[[bytes], bytes]) -> Make:
    return lambda trace, _: change(encoded(trace))


def _instead(raw: bytes) -> Make:
    return lambda _trace, _now: raw


def _filled(size_bytes: int) -> Make:
    def make(trace: Trace, _: datetime) -> bytes:
        room = size_bytes - len(encoded(trace | {"filler": ""}))
        return encoded(trace | {"filler": "x" * room})

    return make


def _id_of(when: Callable[[datetime], int]) -> Make:
    """A UUIDv7 whose first 48 bits are these milliseconds; the rest of the id stays."""

    def make(trace: Trace, now: datetime) -> bytes:
        stamp = f"{when(now):012x}"
        return encoded(trace | {"decisionId": f"{stamp[:8]}-{stamp[8:]}{trace['decisionId'][13:]}"})

    return make


def _time(when: Callable[[datetime], str]) -> Make:
    return lambda trace, now: encoded(trace | {"occurredAt": when(now)})


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _free_without_time(trace: Trace, _: datetime) -> bytes:
    fields = {name: value for name, value in trace.items() if name != "occurredAt"}
    return encoded(fields | {"decisionId": f"order:{trace['decisionId']}"})


# Far enough ahead to be wrong still when a long run gets to it.
AHEAD = timedelta(days=1)

BAD: tuple[Bad, ...] = (
    # A field that is needed is not there.
    Bad("no-id", _without("decisionId"), "decisionId"),
    Bad("no-user", _without("userId"), "userId"),
    Bad("no-action", _without("action"), "action"),
    Bad("no-duration", _without("durationMs"), "durationMs"),
    Bad("no-time-in-free-id", _free_without_time, "occurredAt"),
    Bad("empty-object", _instead(b"{}"), "decisionId"),
    # Ids.
    Bad("id-empty", _with("decisionId", ""), "decisionId"),
    Bad("id-too-long", _with("decisionId", "x" * (LONGEST + 1)), "decisionId"),
    Bad("id-with-space", _with("decisionId", "order 17"), "decisionId"),
    Bad("id-with-slash", _with("decisionId", "../order/17"), "decisionId"),
    Bad("id-with-line-end", _with("decisionId", "order:17\n"), "decisionId"),
    Bad("id-not-ascii", _with("decisionId", "größe"), "decisionId"),
    Bad("id-of-wide-digits", _with("decisionId", "\uff11\uff12\uff13"), "decisionId"),
    Bad("id-null", _with("decisionId", None), "decisionId"),
    Bad("id-a-number", _with("decisionId", 17), "decisionId"),
    Bad("id-too-old", _id_of(lambda _: 86_400_000), "decisionId"),
    Bad("id-too-far-ahead", _id_of(lambda now: milliseconds(now + AHEAD)), "decisionId"),
    Bad("id-past-the-year-9999", _id_of(lambda _: 2**48 - 1), "decisionId"),
    # Names.
    Bad("user-empty", _with("userId", ""), "userId"),
    Bad("user-a-number", _with("userId", 5), "userId"),
    Bad("user-null", _with("userId", None), "userId"),
    Bad("user-too-long", _with("userId", "é" * (MOST_NAME + 1)), "userId"),
    Bad("action-empty", _with("action", ""), "action"),
    Bad("action-a-list", _with("action", ["show-word"]), "action"),
    Bad("action-too-long", _with("action", "🧠" * (MOST_NAME + 1)), "action"),
    # Durations.
    Bad("duration-negative", _with("durationMs", -0.001), "durationMs"),
    Bad("duration-a-text", _with("durationMs", "12"), "durationMs"),
    Bad("duration-a-bool", _with("durationMs", True), "durationMs"),
    Bad("duration-null", _with("durationMs", None), "durationMs"),
    Bad("duration-nan", _literal("durationMs", b"NaN")),
    Bad("duration-infinite", _literal("durationMs", b"Infinity")),
    Bad("duration-minus-infinite", _literal("durationMs", b"-Infinity")),
    Bad("duration-1e999", _literal("durationMs", b"1e999"), "durationMs"),
    Bad("duration-of-400-digits", _literal("durationMs", b"9" * 400), "durationMs"),
    Bad("duration-underflow", _literal("durationMs", b"1e-400"), "durationMs"),
    # Times.
    Bad("time-null", _with("occurredAt", None), "occurredAt"),
    Bad("time-a-number", _with("occurredAt", 1_700_000_000), "occurredAt"),
    Bad("time-empty", _with("occurredAt", ""), "occurredAt"),
    Bad("time-date-only", _time(lambda now: _stamp(now)[:10]), "occurredAt"),
    Bad("time-without-zone", _time(lambda now: _stamp(now)[:19]), "occurredAt"),
    Bad("time-without-seconds", _time(lambda now: _stamp(now)[:16] + "Z"), "occurredAt"),
    Bad("time-of-no-day", _with("occurredAt", "2024-02-30T10:00:00Z"), "occurredAt"),
    Bad("time-at-hour-24", _time(lambda now: _stamp(now)[:11] + "24:00:00Z"), "occurredAt"),
    Bad("time-at-second-61", _time(lambda now: _stamp(now)[:17] + "61Z"), "occurredAt"),
    Bad("time-in-no-zone", _time(lambda now: _stamp(now)[:19] + "+24:00"), "occurredAt"),
    Bad("time-too-old", _with("occurredAt", "1971-01-01T00:00:00Z"), "occurredAt"),
    Bad("time-too-far-ahead", _time(lambda now: _stamp(now + AHEAD)), "occurredAt"),
    # The parts.
    Bad("snapshot-a-list", _with("stateSnapshot", []), "stateSnapshot"),
    Bad("snapshot-null", _with("stateSnapshot", None), "stateSnapshot"),
    Bad("snapshot-a-text", _with("stateSnapshot", "{}"), "stateSnapshot"),
    Bad("factors-a-list", _with("difficultyFactors", [1]), "difficultyFactors"),
    Bad("factor-a-text", _with("difficultyFactors", {"length": "7"}), "difficultyFactors.length"),
    Bad("factor-a-bool", _with("difficultyFactors", {"length": False}), "difficultyFactors.length"),
    Bad("factor-null", _with("difficultyFactors", {"a": 1, "length": None}), "difficultyFactors.length"),
    Bad("triggers-an-object", _with("triggers", {}), "triggers"),
    Bad("triggers-a-text", _with("triggers", "fatigue"), "triggers"),
    Bad("trigger-a-number", _with("triggers", ["fatigue", 2]), "triggers[1]"),
    Bad("created-at-sent", _with("createdAt", "2024-01-01T00:00:00Z"), "createdAt"),
    # Too much.
    Bad("too-large-by-a-byte", _filled(MOST_BYTES + 1), status=413),
    Bad("too-large", _filled(3 * MOST_BYTES), status=413),
    Bad("too-deep-by-a-level", _literal("stateSnapshot", b'{"a":' * MOST_DEPTH + b"0" + b"}" * MOST_DEPTH)),
    Bad("too-deep", _literal("extra", b"[" * 20_000 + b"]" * 20_000)),
    # Names that stand twice: one of the two values would be lost.
    Bad("name-twice", _changed(lambda raw: raw[:-1] + b',"action":"rest"}')),
    Bad("name-twice-inside", _literal("stateSnapshot", b'{"a":{"b":1,"b":2}}'), "stateSnapshot"),
    Bad("name-twice-in-two-spellings", _literal("stateSnapshot", rb'{"ab":1,"a\u0062":2}'), "stateSnapshot"),
    # Text that no store keeps.
    Bad("nul-escaped", _literal("userId", rb'"a\u0000b"'), "userId"),
    Bad("nul-escaped-in-a-name", _literal("stateSnapshot", rb'{"a\u0000":1}'), "stateSnapshot"),
    Bad("nul-raw", _literal("userId", b'"a\x00b"')),
    Bad("surrogate-high-alone", _literal("action", rb'"\ud83d"')),
    Bad("surrogate-low-alone", _literal("action", rb'"\udc4d!"')),
    Bad("surrogates-reversed", _literal("action", rb'"\udc4d\ud83d"')),
    Bad("surrogate-in-utf-8", _literal("action", b'"\xed\xa0\x80"'), "action"),
    Bad("not-utf-8", _literal("action", b'"gr\xf6\xdfe"'), "action"),
    Bad("overlong-utf-8", _literal("action", b'"\xc0\xafetc"'), "action"),
    Bad("truncated-utf-8", _literal("action", b'"\xf0\x9f\xa7"'), "action"),
    Bad("past-unicode", _literal("action", b'"\xf4\x90\x80\x80"'), "action"),
    Bad("control-character", _literal("action", b'"a\x01b"')),
    Bad("raw-tab", _literal("action", b'"a\tb"')),
    Bad("raw-line-end", _literal("action", b'"a\nb"'), alone=True),
    Bad("unknown-escape", _literal("action", rb'"\x41"')),
    # Not JSON, or JSON of something else.
    Bad("words", _instead(b"show-word learner-1 12ms")),
    Bad("truncated", _changed(lambda raw: raw[: len(raw) * 2 // 3])),
    Bad("two-objects", _changed(lambda raw: raw + raw)),
    Bad("trailing-comma", _changed(lambda raw: raw[:-1] + b",}")),
    Bad("comment", _changed(lambda raw: raw[:-1] + b"/* late */}")),
    Bad("single-quotes", _changed(lambda raw: raw.replace(b'"', b"'"))),
    Bad("bare-name", _changed(lambda raw: raw.replace(b'"action"', b"action"))),
    Bad("leading-zero", _literal("durationMs", b"012")),
    Bad("leading-plus", _literal("durationMs", b"+12")),
    Bad("hexadecimal", _literal("durationMs", b"0x1F")),
    Bad("bare-point", _literal("durationMs", b"1.")),
    Bad("byte-order-mark", _changed(lambda raw: b"\xef\xbb\xbf" + raw)),
    Bad("utf-16", _changed(lambda raw: raw.decode().encode("utf-16-le"))),
    Bad("array-at-top", _changed(lambda raw: b"[" + raw + b"]")),
    Bad("text-at-top", _instead(b'"trace"')),
    Bad("number-at-top", _instead(b"17")),
    Bad("null-at-top", _instead(b"null")),
    Bad("empty", _instead(b""), alone=True),
    Bad("only-blanks", _instead(b" \t\r\n"), alone=True),
    Bad("two-lines-as-one", _changed(lambda raw: raw + b"\n" + raw), alone=True),
)
