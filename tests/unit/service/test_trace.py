"""What a trace may be, field by field, and what survives of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.insights import reads, trace
from service.insights.decision import RESERVED_IDS, Decision, Refusal
from service.insights.testing import raw_trace, uuid7

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RETENTION = timedelta(days=90)
V7 = uuid7(NOW)
AT = "2026-11-23T11:59:00Z"


def parse(raw: bytes) -> Decision | Refusal:
    return trace.parse(raw, NOW, RETENTION)


def taken(decision_id: str = V7, **fields: object) -> Decision:
    parsed = parse(raw_trace(decision_id, **fields))
    assert isinstance(parsed, Decision), parsed.sentence()
    return parsed


def refused(decision_id: object = V7, **fields: object) -> Refusal:
    parsed = parse(raw_trace("", **({"decisionId": decision_id} | fields)))
    assert isinstance(parsed, Refusal)
    return parsed


def without(*names: str) -> Decision | Refusal:
    full = json.loads(raw_trace(V7))
    return parse(json.dumps({name: value for name, value in full.items() if name not in names}).encode())


def test_a_v7_id_gives_the_time() -> None:
    decision = taken()
    assert decision.created_at == NOW
    assert decision.occurred_at == NOW
    assert not decision.keyed


def test_another_id_takes_the_time_it_occurred() -> None:
    decision = taken("order:17", occurredAt=AT)
    assert decision.created_at == datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    assert decision.keyed


def test_another_id_without_a_time_is_refused() -> None:
    refusal = refused("order:17")
    assert refusal.field == "occurredAt"
    assert "is needed, since decisionId carries no time" in refusal.sentence()


def test_v7_ids_ignore_case() -> None:
    """A client that writes it in capitals once must not make a second row."""
    assert taken(V7.upper()).decision_id == V7


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "ünicode", "a/b", "a\n", 17, None, "\uff11\uff12"])
def test_other_ids_are_refused(bad: object) -> None:
    assert refused(bad).field == "decisionId"


def test_four_fields_are_needed_and_three_have_empty_defaults() -> None:
    for name in ("decisionId", "userId", "action", "durationMs"):
        refusal = without(name)
        assert isinstance(refusal, Refusal)
        assert refusal.field == name
    decision = without("stateSnapshot", "difficultyFactors", "triggers")
    assert isinstance(decision, Decision)
    assert bytes(decision.state_snapshot) == bytes(decision.difficulty_factors) == b"{}"
    assert bytes(decision.triggers) == b"[]"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", ""),
        ("userId", 5),
        ("userId", "u" * 257),
        ("action", None),
        ("durationMs", -0.001),
        ("durationMs", "12"),
        ("durationMs", True),
        ("stateSnapshot", []),
        ("stateSnapshot", None),
        ("difficultyFactors", [1]),
        ("triggers", {}),
        ("occurredAt", None),
        ("occurredAt", 1700000000),
        ("createdAt", AT),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_what_is_allowed(field: str, value: object) -> None:
    refusal = refused(**{field: value})
    assert refusal.field == field
    assert refusal.status == 400
    assert "it came as " in refusal.sentence()


def test_members_of_factors_and_triggers_are_named() -> None:
    assert refused(difficultyFactors={"length": "long"}).field == "difficultyFactors.length"
    assert refused(difficultyFactors={"length": False}).field == "difficultyFactors.length"
    assert refused(triggers=["a", 2]).field == "triggers[1]"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1e-400", "9" * 400])
def test_numbers_beyond_a_double_are_refused(number: str) -> None:
    raw = raw_trace(V7).replace(b"12.5", number.encode())
    assert isinstance(parse(raw), Refusal)


def test_digits_of_the_snapshot_are_kept_as_they_came() -> None:
    raw = raw_trace(V7).replace(b'"mood":0.5', b'"mood":0.1234567890123456789, "big":12345678901234567890123')
    decision = parse(raw)
    assert isinstance(decision, Decision)
    assert b"0.1234567890123456789" in bytes(decision.state_snapshot)
    assert b"12345678901234567890123" in bytes(decision.state_snapshot)


def test_unknown_fields_are_kept() -> None:
    assert json.loads(bytes(taken(model="m1", nested={"a": [1]}).extra)) == {
        "model": "m1",
        "nested": {"a": [1]},
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-23T11:59:00Z", 0.0),
        ("2026-11-23t11:59:00.5z", 0.5),
        ("2026-11-23 11:59:00Z", 0.0),
        ("2026-11-23T12:59:00.123456789+01:00", 0.123456),
        ("2026-11-23T11:58:60Z", 0.0),
    ],
)
def test_rfc_3339_is_read_to_the_microsecond(text: str, seconds: float) -> None:
    expected = datetime(2026, 11, 23, 11, 59, tzinfo=UTC) + timedelta(seconds=seconds)
    assert taken("order:1", occurredAt=text).occurred_at == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23T11:59:00",
        "2026-11-23T11:59Z",
        "20261123T115900Z",
        "2026-11-23T24:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-23T11:59:00+24:00",
        "2026-11-23T11:59:61Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "\uff12\uff10\uff12\uff16-11-23T11:59:00Z",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert refused("order:1", occurredAt=text).field == "occurredAt"


def test_the_window_is_the_retention_and_ten_minutes_ahead() -> None:
    def at(when: datetime) -> Decision | Refusal:
        return parse(raw_trace("order:1", occurredAt=when.isoformat()))

    microsecond = timedelta(microseconds=1)
    assert isinstance(at(NOW - RETENTION), Decision)
    assert isinstance(at(NOW - RETENTION - microsecond), Refusal)
    assert isinstance(at(NOW + trace.MOST_AHEAD), Decision)
    assert isinstance(at(NOW + trace.MOST_AHEAD + microsecond), Refusal)


def test_the_time_inside_the_id_has_to_lie_in_the_window_too() -> None:
    refusal = refused(uuid7(NOW - RETENTION - timedelta(seconds=1)), occurredAt=AT)
    assert refusal.field == "decisionId"
    late = refused("FFFFFFFF-FFFF-7FFF-BFFF-FFFFFFFFFFFF")
    assert (late.field, late.reason) == ("decisionId", "carries a time past the year 9999")


def test_a_trace_has_64_kib_at_most() -> None:
    room = trace.MOST_BYTES - len(raw_trace(V7, note=""))
    assert isinstance(parse(raw_trace(V7, note="x" * room)), Decision)
    refusal = parse(raw_trace(V7, note="x" * (room + 1)))
    assert isinstance(refusal, Refusal)
    assert refusal.status == 413


def test_the_hash_is_of_the_meaning() -> None:
    """A sender that writes the same trace in another way sends a duplicate, not a conflict."""
    one = parse(
        b'{"decisionId":"%b","userId":"u","action":"a","durationMs":1,"stateSnapshot":{"x":1,"y":2.50}}'
        % V7.encode()
    )
    two = parse(
        b'{"durationMs":1.0, "action":"\\u0061", "stateSnapshot":{"y":25e-1,"x":1.0}, "userId":"u",'
        b'"triggers":[],"occurredAt":"2026-11-23T13:00:00+01:00","decisionId":"%b"}' % V7.upper().encode()
    )
    assert isinstance(one, Decision)
    assert isinstance(two, Decision)
    assert one.content_hash == two.content_hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "b"),
        ("durationMs", 12.50001),
        ("stateSnapshot", {"mood": 0.5}),
        ("triggers", []),
        ("note", None),
    ],
)
def test_other_content_has_another_hash(field: str, value: object) -> None:
    assert taken(V7, **{field: value}).content_hash != taken().content_hash


def test_run_ids_are_no_content() -> None:
    first = trace.parse(raw_trace(V7), NOW, RETENTION, "run-1")
    assert isinstance(first, Decision)
    assert first.run_id == "run-1"
    assert first.content_hash == taken().content_hash


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
extras = st.dictionaries(
    texts.filter(lambda name: name not in trace.KNOWN | {trace.RESERVED}), values, max_size=3
)


@given(state=st.dictionaries(texts, values, max_size=4), extra=extras)
def test_any_json_object_comes_through_whole(state: dict[str, object], extra: dict[str, object]) -> None:
    raw = json.dumps(json.loads(raw_trace(V7, stateSnapshot=state)) | extra).encode()
    decision = parse(raw)
    assert isinstance(decision, Decision), decision.sentence()
    assert json.loads(bytes(decision.state_snapshot)) == state
    assert json.loads(bytes(decision.extra)) == extra
    pretty = parse(json.dumps(json.loads(raw), indent=2, ensure_ascii=False, sort_keys=True).encode())
    assert isinstance(pretty, Decision)
    assert pretty.content_hash == decision.content_hash


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    assert isinstance(parse(raw), Refusal)


@given(st.data())
def test_no_damage_to_a_trace_makes_it_fail(data: st.DataObject) -> None:
    raw = bytearray(raw_trace(V7, note="ü\\u0000"))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    parsed = parse(bytes(raw))
    if isinstance(parsed, Decision):
        json.loads(msgspec.json.encode(parsed))
    else:
        assert parsed.sentence().isprintable() or parsed.value


def test_an_id_that_could_not_be_read_is_refused() -> None:
    for reserved in ("rate", ".", ".."):
        refusal = refused(reserved, occurredAt=AT)
        assert (refusal.field, refusal.status) == ("decisionId", 400)
        assert "is reserved" in refusal.sentence()


def test_reserved_ids_are_the_routes_that_shadow_an_insight() -> None:
    source = Path(reads.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'"/api/insights/(\w+)"', source)) | {".", ".."} == RESERVED_IDS


@pytest.mark.parametrize(
    "number",
    ["1e999", "1." + "1" * 17_000, "0e-20000", "1" * 5000, "1." + "1" * 16_300 + "e-90"],
    ids=["too large", "too long", "too small", "too many", "too fine"],
)
def test_a_number_that_could_not_be_kept_is_refused_by_its_field(number: str) -> None:
    raw = raw_trace(uuid7(NOW)).replace(b"12.5", number.encode())
    refusal = parse(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.field == "durationMs"
    assert "number" in refusal.reason or "Integer" in refusal.reason


def test_text_that_is_no_json_has_no_field_at_fault() -> None:
    refusal = parse(b'{"durationMs": 1')
    assert isinstance(refusal, Refusal)
    assert refusal.field is None


texts = st.sampled_from(["", ":", " :", "plain", 'a "quoted" one', "back\\slash", "líne\n"])
optional = st.fixed_dictionaries(
    {},
    optional={
        "occurredAt": st.just(AT),
        "stateSnapshot": st.dictionaries(texts, texts),
        "difficultyFactors": st.dictionaries(texts, st.floats(-9, 9)),
        "triggers": st.lists(texts),
        "note": st.dictionaries(texts, st.lists(texts)),
    },
)


@given(optional, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_a_name_that_came_twice_is_refused_and_no_other(
    fields: dict[str, object], ascii_only: bool, indent: int | None, data: st.DataObject
) -> None:
    """Whatever is left out, escaped or spread over lines; also where the value that is lost was wrong."""
    full: dict[str, object] = {"decisionId": V7, "userId": "u", "action": "a", "durationMs": 1.5} | fields
    raw = json.dumps(full, ensure_ascii=ascii_only, indent=indent)
    assert isinstance(parse(raw.encode()), Decision)
    again, value = data.draw(st.sampled_from(sorted(full))), data.draw(st.sampled_from(["-1", '""', '":"']))
    refusal = parse(f'{{"{again}": {value}, {raw.lstrip()[1:]}'.encode())
    assert isinstance(refusal, Refusal)
    assert "twice in one object" in refusal.sentence()
