import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.traffic.ids import milliseconds, uuid7
from runbook.traffic.meaning import canonical_id, content_hash, instant
from service.insights.decision import Decision
from service.insights.trace import parse

AT = datetime(2024, 11, 23, 11, 39, 56, 288_000, UTC)
V7 = uuid7(random.Random(1), milliseconds(AT))  # noqa: S311 - variety, not secrecy
TIMES = {"occurredAt": "2024-11-23T14:39:56.288+03:00", "createdAt": "2024-11-23T11:39:56.288000Z"}
FULL: dict[str, Any] = {
    "decisionId": V7,
    "userId": "u",
    "action": "rest",
    "durationMs": 1,
    "stateSnapshot": {"a": 0.5, "b": [1, None]},
}


def hash_of(**changes: object) -> str:
    return content_hash(json.dumps(FULL | changes).encode())


@pytest.mark.parametrize(
    "same",
    [
        json.dumps(dict(reversed(FULL.items())), indent=2),
        json.dumps(FULL | {"triggers": [], "difficultyFactors": {}}),
        json.dumps(FULL | {"decisionId": V7.upper()}),
        json.dumps(FULL).replace('"durationMs": 1', '"durationMs": 10e-1').replace("0.5", "5E-1"),
        json.dumps(FULL | TIMES),
    ],
)  # fmt: skip
def test_another_spelling_is_the_same_content(same: str) -> None:
    assert content_hash(same.encode()) == hash_of()


@pytest.mark.parametrize(
    "change",
    [
        {"action": "Rest"},
        {"durationMs": 1.0000001},
        {"stateSnapshot": {"a": 0.5, "b": [1]}},
        {"occurredAt": "2024-11-23T11:39:56.289Z"},
        {"createdAt": "2024-11-23T11:39:56.289Z"},
        {"unknown": None},
        {"triggers": [""]},
    ],
)
def test_any_change_is_seen(change: dict[str, object]) -> None:
    assert hash_of(**change) != hash_of()


def test_whole_numbers_keep_all_their_digits() -> None:
    """The database answers 1e23 as its 24 digits, which a double does not hold."""
    written = json.dumps(FULL | {"n": 7}).replace('"n": 7', '"n": 1e23')
    assert hash_of(n=10**23) == content_hash(written.encode())
    assert hash_of(n=12345678901234567890123) != hash_of(n=12345678901234567890124)


def test_times_are_read_to_the_microsecond() -> None:
    minute = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert instant("2026-01-02t03:03:60z") == minute
    assert instant("2026-01-02 03:04:00.1234569Z") == minute + timedelta(microseconds=123456)
    assert instant("2026-01-02T08:49:00+05:45") == minute
    with pytest.raises(ValueError, match="no time"):
        instant("today")


def test_only_uuids_ignore_case() -> None:
    assert canonical_id(V7.upper()) == V7
    assert canonical_id("Order:A") == "Order:A"


numbers = st.integers(-3, 3) | st.sampled_from([1.0, 0.5, -0.0, 1e22])
small = st.none() | st.booleans() | numbers | st.text(max_size=1)
snapshots = st.dictionaries(st.sampled_from("ab"), small | st.lists(small, max_size=2), max_size=2)


@settings(deadline=None)
@given(one=snapshots, other=snapshots)
def test_two_traces_are_the_same_here_when_they_are_for_the_service(
    one: dict[str, object], other: dict[str, object]
) -> None:
    raws = [json.dumps(FULL | {"stateSnapshot": snapshot}).encode() for snapshot in (one, other)]
    parsed = [parse(raw, AT, timedelta(days=1)) for raw in raws]
    hashes = {item.content_hash for item in parsed if isinstance(item, Decision)}
    if all(isinstance(item, Decision) for item in parsed):
        assert len(hashes) == len({content_hash(raw) for raw in raws})
