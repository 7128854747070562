"""Silences: what must not be told for a while, although it is recorded."""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from service.alerts.alert import Alert
from service.alerts.rule import Severity
from service.errors import Problem

MATCHERS = ("metric", "ruleId", "severity")
LONGEST_S = 30 * 86_400
MOST_TEXT = 500
MOST_NAME = 200

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Holds for alerts that every matcher fits. One that was taken back ends then, and is kept a while."""

    id: str
    matchers: dict[str, str]
    comment: str
    created_by: str
    starts_at: float
    ends_at: float

    def holds(self, alert: Alert, now: float) -> bool:
        return self.starts_at <= now < self.ends_at and all(
            _value(alert, name) == wanted for name, wanted in self.matchers.items()
        )


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of a request for a silence."""

    matchers: dict[str, str]
    created_by: str
    comment: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    duration: str | None = None


def silenced(alert: Alert, silences: Iterable[Silence], now: float) -> bool:
    return any(one.holds(alert, now) for one in silences)


def made(raw: bytes, now: float) -> Silence:
    """Raises Problem 400 naming the field, what came and what is allowed."""
    try:
        asked = msgspec.json.decode(raw, type=Asked)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, "Bad silence", f"the body is not a silence: {error}") from None
    _check_matchers(asked.matchers)
    _check_text("createdBy", asked.created_by, MOST_NAME, empty=False)
    _check_text("comment", asked.comment, MOST_TEXT, empty=True)
    starts_at = now if asked.starts_at is None else _seconds("startsAt", asked.starts_at)
    ends_at = _ends_at(asked, max(starts_at, now))
    return Silence(
        id=f"silence-{secrets.token_hex(8)}",
        matchers=asked.matchers,
        comment=asked.comment,
        created_by=asked.created_by,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _ends_at(asked: Asked, begins_at: float) -> float:
    if (asked.ends_at is None) == (asked.duration is None):
        raise _bad("endsAt", "a silence must expire: give either endsAt or duration")
    if asked.ends_at is not None:
        name, ends_at = "endsAt", _seconds("endsAt", asked.ends_at)
    else:
        name, ends_at = "duration", begins_at + _duration_s(str(asked.duration))
    if not 0 < ends_at - begins_at <= LONGEST_S:
        raise _bad(name, "a silence ends after it starts, after now, and within 30 days")
    return ends_at


def _duration_s(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        raise _bad("duration", f"must be such as 30m, 2h or 7d; it came as {text[:80]!r}")
    return int(found[1]) * _UNIT_S[found[2]]


def _check_matchers(matchers: Mapping[str, str]) -> None:
    unknown = sorted(set(matchers) - set(MATCHERS))
    if unknown or not matchers:
        came = repr(unknown[0][:80]) if unknown else "none"
        raise _bad("matchers", f"must name at least one of {', '.join(MATCHERS)}; it names {came}")
    for name, text in matchers.items():
        _check_text(f"matchers.{name}", text, MOST_NAME, empty=False)
    severities = [str(one) for one in Severity]
    if matchers.get("severity", severities[0]) not in severities:
        raise _bad("matchers.severity", f"must be one of {', '.join(severities)}")


def _check_text(name: str, text: str, most: int, *, empty: bool) -> None:
    check_text("Bad silence", name, text, most, empty=empty)


def check_text(title: str, name: str, text: str, most: int, *, empty: bool) -> None:
    """Refuses what no store takes as text besides what is too long. Raises Problem 400."""
    if len(text) > most or (not text.strip() and not empty) or "\0" in text:
        raise Problem(400, title, f"{name} must be text of {0 if empty else 1} to {most} characters", name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Problem(400, title, f"{name} holds half a character", name) from None


def _seconds(name: str, when: datetime) -> float:
    if when.tzinfo is None:
        raise _bad(name, "must say its offset, such as 2024-12-03T10:00:00Z")
    return when.astimezone(UTC).timestamp()


def _value(alert: Alert, matcher: str) -> str:
    return {"metric": alert.metric, "ruleId": alert.rule_id, "severity": str(alert.severity)}[matcher]


def _bad(field: str, detail: str) -> Problem:
    return Problem(400, "Bad silence", detail if field in detail else f"{field}: {detail}", field)
