"""One trace from bytes: checked against the contract, in a form the database takes as it is."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from service.insights import screen
from service.insights.decision import ID_ALLOWED, RESERVED_IDS, Decision, Refusal, with_time

MOST_BYTES = 64 * 1024
MOST_AHEAD = timedelta(minutes=10)
# A B-tree entry of the list by user must stay under 2,704 bytes, at up to four bytes a character.
MOST_NAME = 256

KNOWN = frozenset(
    {
        "decisionId",
        "userId",
        "occurredAt",
        "action",
        "durationMs",
        "stateSnapshot",
        "difficultyFactors",
        "triggers",
    }
)
# Answers carry it, so a trace that brings its own would be answered with something else than it sent.
RESERVED = "createdAt"

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):([0-5]\d|60)(?:\.(\d{1,6})\d*)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_NO_OBJECT, _NO_LIST = msgspec.Raw(b"{}"), msgspec.Raw(b"[]")
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_canonical = msgspec.json.Encoder(order="deterministic").encode

Expected = TypeVar("Expected")


def parse(raw: bytes, now: datetime, retention: timedelta, run_id: str | None = None) -> Decision | Refusal:
    """A pure function of its arguments; `now` is aware and in UTC."""
    if len(raw) > MOST_BYTES:
        return Refusal(None, f"the trace may have {MOST_BYTES} bytes at most", f"{len(raw)} bytes", 413)
    try:
        return _decision(raw, _Window(now - retention, now + MOST_AHEAD), run_id)
    except screen.Screened as error:
        return _screened(raw, error)
    except _Wrong as wrong:
        return _repeated(raw) or wrong.refusal


def _repeated(raw: bytes) -> Refusal | None:
    """What is wrong with a field may be that it came twice."""
    try:
        screen.decode(raw)
    except screen.Screened as error:
        return _screened(raw, error)
    return None


def _screened(raw: bytes, error: screen.Screened) -> Refusal:
    """With the field at fault where there is one."""
    try:
        parts = _parts(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Refusal(None, f"the trace {error}")
    fault = screen.fault(parts)
    return Refusal(fault[0], str(fault[1])) if fault else Refusal(None, f"the trace {error}")


class _Wrong(Exception):
    def __init__(self, field: str | None, reason: str, value: Any) -> None:
        self.refusal = Refusal(field, reason, _shown(value))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


class _Window(msgspec.Struct, frozen=True):
    oldest: datetime
    newest: datetime

    def check(self, field: str, when: datetime, value: str, carries: str = "") -> None:
        if when < self.oldest:
            raise _Wrong(field, f"{carries}may not lie before {_stamp(self.oldest)} (the retention)", value)
        if when > self.newest:
            raise _Wrong(field, f"{carries}may not lie after {_stamp(self.newest)} (10 minutes ahead)", value)


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decision(raw: bytes, window: _Window, run_id: str | None) -> Decision:
    trace = screen.decode_but_names(raw)
    if not isinstance(trace, dict):
        raise _Wrong(None, "the trace must be one JSON object", trace)
    parts = _parts(raw)
    decision_id, created_at = _decision_id(trace, window)
    occurred_at = _occurred_at(trace, created_at, window)
    user_id, action = _name(trace, "userId"), _name(trace, "action")
    duration_ms, factors = _duration_ms(trace), _factors(trace)
    state = _optional(trace, "stateSnapshot", dict, "an object")
    triggers = _triggers(trace)
    extra = {name: value for name, value in trace.items() if name not in KNOWN}
    if RESERVED in extra:
        raise _Wrong(RESERVED, "is set by the service and may not be sent", extra[RESERVED])
    meaning = _canonical(
        [decision_id, occurred_at, user_id, action, duration_ms, state, factors, triggers, extra]
    )
    # The time is one text, whether it came or not; its name and those of the other known fields are left out.
    left_out = len(trace) - len(extra) - ("occurredAt" not in trace)
    screen.demand_distinct_names(raw, trace, meaning, left_out)
    return Decision(
        decision_id=decision_id,
        created_at=created_at or occurred_at,
        occurred_at=occurred_at,
        keyed=created_at is None,
        user_id=user_id,
        action=action,
        duration_ms=duration_ms,
        state_snapshot=parts.get("stateSnapshot", _NO_OBJECT),
        difficulty_factors=parts.get("difficultyFactors", _NO_OBJECT),
        triggers=parts.get("triggers", _NO_LIST),
        extra=msgspec.Raw(msgspec.json.encode({name: parts[name] for name in extra}))
        if extra
        else _NO_OBJECT,
        content_hash=hashlib.sha256(meaning).hexdigest(),
        run_id=run_id,
    )


def _needed(trace: dict[str, Any], field: str) -> Any:
    if field not in trace:
        raise _Wrong(field, "is needed", _names(trace))
    return trace[field]


def _names(trace: dict[str, Any]) -> str:
    return f"a trace with {', '.join(sorted(trace)) or 'no fields'}"


def _optional(trace: dict[str, Any], field: str, kind: type[Expected], what: str) -> Expected:
    value = trace.get(field) if field in trace else kind()
    if not isinstance(value, kind):
        raise _Wrong(field, f"must be {what}", value)
    return value


def _decision_id(trace: dict[str, Any], window: _Window) -> tuple[str, datetime | None]:
    """With the time inside it, if it has one."""
    value = _needed(trace, "decisionId")
    try:
        found = with_time(value) if isinstance(value, str) else None
    except OverflowError:
        raise _Wrong("decisionId", "carries a time past the year 9999", value.lower()) from None
    if found is None:
        raise _Wrong("decisionId", f"must be {ID_ALLOWED}", value)
    decision_id, when = found
    if when is not None:
        window.check("decisionId", when, decision_id, "carries a time that ")
    elif decision_id in RESERVED_IDS:
        raise _Wrong("decisionId", "is reserved, since GET /api/insights/<id> could not read it", value)
    return found


def _occurred_at(trace: dict[str, Any], inside: datetime | None, window: _Window) -> datetime:
    if "occurredAt" not in trace:
        if inside is None:
            raise _Wrong("occurredAt", "is needed, since decisionId carries no time", _names(trace))
        return inside
    value = trace["occurredAt"]
    when = instant(value) if isinstance(value, str) else None
    if when is None:
        raise _Wrong("occurredAt", "must be RFC 3339, such as 2024-12-03T10:00:00Z", value)
    window.check("occurredAt", when, value)
    return when


def instant(text: str) -> datetime | None:
    """RFC 3339 to the microsecond; a leap second is the second after 59."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    date, minute, second, fraction, zone = match.groups()
    leap = second == "60"
    zone = "+00:00" if zone in "Zz" else zone
    try:
        when = datetime.fromisoformat(
            f"{date}T{minute}:{'59' if leap else second}.{(fraction or '').ljust(6, '0')}{zone}"
        )
        return (when + timedelta(seconds=int(leap))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _name(trace: dict[str, Any], field: str) -> str:
    value = _needed(trace, field)
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME:
        raise _Wrong(field, f"must be text of 1 to {MOST_NAME} characters", value)
    return value


def _duration_ms(trace: dict[str, Any]) -> float:
    value = _needed(trace, "durationMs")
    if type(value) is float and value > 0:
        return value
    duration_ms = _number("durationMs", value, "a finite number of at least 0")
    if duration_ms < 0:
        raise _Wrong("durationMs", "must be a finite number of at least 0", value)
    return duration_ms


def _factors(trace: dict[str, Any]) -> dict[str, float]:
    factors: dict[str, Any] = _optional(trace, "difficultyFactors", dict, "an object of numbers")
    return {
        name: value if type(value) is float else _number(f"difficultyFactors.{name}", value)
        for name, value in factors.items()
    }


def _number(field: str, value: Any, allowed: str = "a finite number") -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Wrong(field, f"must be {allowed}", value)
    try:
        # Adding zero turns -0.0 into 0.0: they are the same duration.
        return float(value) + 0.0
    except OverflowError:
        raise _Wrong(field, f"must be {allowed} that a double can hold", str(value)) from None


def _triggers(trace: dict[str, Any]) -> list[str]:
    triggers: list[Any] = _optional(trace, "triggers", list, "a list of texts")
    for place, value in enumerate(triggers):
        if not isinstance(value, str):
            raise _Wrong(f"triggers[{place}]", "must be text", value)
    return triggers
