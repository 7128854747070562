"""The rules file: what is taken, and how everything else is named."""

import contextlib
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts import rules
from service.alerts.faults import Fault, RulesInvalid
from service.alerts.rule import NoData, Rule, Severity
from service.alerts.schema import schema
from service.alerts.vocabulary import METRICS

LEAST = {
    "id": "a",
    "metric": "queue.size",
    "threshold": 500,
    "operator": ">",
    "duration": 0,
    "severity": "high",
    "message": "Full",
}
LABELS = (
    "up to 16 names of [a-zA-Z_][a-zA-Z0-9_]* with texts of 1 to 200 characters"
    " (numbers and true or false in quotes)"
)


def yaml(*entries: Any) -> str:
    """JSON is YAML."""
    return json.dumps({"rules": list(entries)})


def faults(text: str) -> list[Fault]:
    with pytest.raises(RulesInvalid) as raised:
        rules.parse(text)
    assert str(raised.value) == "\n".join(map(str, raised.value.faults))
    return raised.value.faults


def only(text: str) -> Fault:
    (fault,) = faults(text)
    return fault


def test_takes_a_rule_as_the_runbook_writes_it() -> None:
    (rule,) = rules.parse("""
rules:
  - id: decision-latency-p99
    metric: decision.latency.p99
    type: threshold
    threshold: 500
    operator: '>'
    duration: 120000
    severity: high
    message: Decision latency P99 exceeds 500ms
    cooldown: 300000
""")
    assert rule == Rule(
        id="decision-latency-p99",
        metric="decision.latency.p99",
        type="threshold",
        threshold=500,
        operator=">",
        duration_ms=120_000,
        severity=Severity.HIGH,
        message="Decision latency P99 exceeds 500ms",
        cooldown_ms=300_000,
    )


def test_takes_every_optional_field() -> None:
    more = {
        "keepFiringFor": 60_000,
        "clearThreshold": 250.5,
        "minSamples": 20,
        "noData": "alert",
        "labels": {"team": "platform"},
        "runbook": "amas triage writes",
    }
    (rule,) = rules.parse(yaml(LEAST | more))
    assert (rule.keep_firing_for_ms, rule.clear_threshold, rule.min_samples) == (60_000, 250.5, 20)
    assert (rule.no_data, rule.labels, rule.runbook) == (
        NoData.ALERT,
        {"team": "platform"},
        "amas triage writes",
    )


def test_what_is_left_out_holds_without_data_and_never_waits() -> None:
    (rule,) = rules.parse(yaml(LEAST))
    assert (rule.cooldown_ms, rule.keep_firing_for_ms, rule.clear_threshold) == (0, 0, None)
    assert (rule.min_samples, rule.no_data, rule.labels, rule.runbook) == (1, NoData.HOLD, {}, "")


def test_a_file_may_have_no_rules() -> None:
    assert rules.parse("rules: []") == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "Has Space", '= "Has Space": must be 1 to 63 of a-z, 0-9 and -, not a - first'),
        ("id", "", '= "": must be 1 to 63 of a-z, 0-9 and -, not a - first'),
        ("id", 7, "= 7: must be 1 to 63 of a-z, 0-9 and -, not a - first"),
        ("id", "a\n", '= "a\\n": must be 1 to 63 of a-z, 0-9 and -, not a - first'),
        ("type", "burn-rate", '= "burn-rate": must be threshold'),
        ("threshold", "500", '= "500": must be a finite number'),
        ("threshold", True, "= true: must be a finite number"),
        ("threshold", None, "= null: must be a finite number"),
        ("operator", "=>", '= "=>": must be one of > >= < <= == !='),
        ("duration", -1, "= -1: must be a whole number of milliseconds from 0 to 2592000000"),
        (
            "duration",
            2_592_000_001,
            "= 2592000001: must be a whole number of milliseconds from 0 to 2592000000",
        ),
        ("duration", 1.5, "= 1.5: must be a whole number of milliseconds from 0 to 2592000000"),
        ("duration", "2m", '= "2m": must be a whole number of milliseconds from 0 to 2592000000'),
        ("severity", "urgent", '= "urgent": must be one of low, medium, high, critical'),
        ("message", "", '= "": must be one line of 1 to 500 characters'),
        ("message", "two\nlines", '= "two\\nlines": must be one line of 1 to 500 characters'),
        ("cooldown", -5, "= -5: must be a whole number of milliseconds from 0 to 2592000000"),
        ("keepFiringFor", "1m", '= "1m": must be a whole number of milliseconds from 0 to 2592000000'),
        ("minSamples", 0, "= 0: must be a whole number from 1 to 1000000000"),
        ("noData", "keep", '= "keep": must be one of ok, alert, hold'),
        (
            "labels",
            {"replica": 1},
            f'= {{"replica": 1}}: must be {LABELS}',
        ),
        ("runbook", ["amas"], '= ["amas"]: must be one line of up to 200 characters'),
    ],
)
def test_a_wrong_value_is_named_with_its_rule_field_and_what_is_allowed(
    field: str, value: object, said: str
) -> None:
    fault = only(yaml(LEAST | {field: value}))
    assert (fault.field, fault.reason) == (field, said)
    assert fault.rule == ("number 1" if field == "id" and value == 7 else (LEAST | {field: value})["id"])


@pytest.mark.parametrize("field", sorted(LEAST))
def test_a_missing_field_is_named(field: str) -> None:
    fault = only(yaml({name: value for name, value in LEAST.items() if name != field}))
    assert fault.field == field
    assert fault.reason.startswith("is missing; allowed: ")


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_a_number_that_is_not_finite_is_named(value: str) -> None:
    text = yaml(LEAST).replace("500", value)
    assert only(text).reason.endswith(": must be a finite number")


@pytest.mark.parametrize("value", ["1e3", "5E+2", "1" + "0" * 400])
def test_numbers_that_yaml_takes_for_text_or_a_double_cannot_hold_are_named(value: str) -> None:
    fault = only(yaml(LEAST).replace("500", value))
    assert fault.field == "threshold"
    assert ("text in YAML" in fault.reason) is ("e" in value.lower())


@pytest.mark.parametrize("value", ["0300", "1:30", "1_000", "0x1F", "0b11", "1:30.5"])
def test_a_number_that_yaml_reads_otherwise_than_people_is_refused(value: str) -> None:
    fault = only(f"rules:\n- id: a\n  duration: {value}\n")
    assert fault.line == 3
    assert fault.reason.startswith(f"duration = {value} would be read as another number: write plain decimal")


@pytest.mark.parametrize("value", ["500", "-1", "0", "+3", "0.5", "1.5e+3", ".5", "5."])
def test_plain_numbers_are_taken(value: str) -> None:
    (rule,) = rules.parse(yaml(LEAST).replace("500", value))
    assert rule.threshold == float(value)


def test_an_unknown_field_is_named_with_the_one_that_is_meant() -> None:
    fault = only(yaml(LEAST | {"keep_firing_for": 5}))
    assert fault.field == "keep_firing_for"
    assert fault.reason.startswith(
        "is no field of a rule; did you mean keepFiringFor? allowed: id, metric, type,"
    )
    assert only(yaml(LEAST | {"treshold": 5})).reason.startswith(
        "is no field of a rule; did you mean threshold?"
    )
    assert only(yaml(LEAST | {"xyz": 5})).reason.startswith("is no field of a rule; allowed: id,")


def test_an_unknown_metric_is_named_with_the_one_that_is_meant() -> None:
    fault = only(yaml(LEAST | {"metric": "queue.sise"}))
    assert str(fault).startswith(
        'line 1, rule a: metric = "queue.sise" is not measured; did you mean queue.size? allowed: http.'
    )


def test_an_id_that_stands_twice_is_named_at_both_places() -> None:
    found = faults(yaml(LEAST, LEAST | {"id": "b"}, LEAST))
    assert [(one.rule, one.field, one.reason) for one in found] == [
        ("a", "id", '= "a" stands 2 times; allowed: once')
    ] * 2


@pytest.mark.parametrize(
    ("operator", "clear", "said"),
    [
        (">", 500, "must be below the threshold 500"),
        (">=", 501, "must be below the threshold 500"),
        ("<", 500, "must be above the threshold 500"),
        ("<=", 499, "must be above the threshold 500"),
        ("==", 400, "allowed with > >= < <= only; operator is =="),
        ("!=", 400, "allowed with > >= < <= only; operator is !="),
    ],
)
def test_a_clear_threshold_on_the_wrong_side_is_named(operator: str, clear: float, said: str) -> None:
    fault = only(yaml(LEAST | {"operator": operator, "clearThreshold": clear}))
    assert (fault.field, fault.reason) == ("clearThreshold", f"= {clear}: {said}")


@pytest.mark.parametrize(("operator", "clear"), [(">", 499.9), (">=", 0), ("<", 501), ("<=", 500.1)])
def test_a_clear_threshold_on_the_quiet_side_is_taken(operator: str, clear: float) -> None:
    (rule,) = rules.parse(yaml(LEAST | {"operator": operator, "clearThreshold": clear}))
    assert rule.clear_threshold == clear


def test_all_faults_of_all_rules_are_told_at_once_with_their_lines() -> None:
    found = faults("""
rules:
  - id: one
    metric: queue.size
    threshold: high
    operator: "=>"
    duration: 0
    severity: high
    message: Full
  - not a rule
  - id: three
    metric: queue.length
    threshold: 1
    operator: ">"
    duration: -1
    severity: high
    message: Full
    colour: red
""")
    assert [(one.line, one.rule, one.field) for one in found] == [
        (5, "one", "threshold"),
        (6, "one", "operator"),
        (10, "number 2", None),
        (18, "three", "colour"),
        (15, "three", "duration"),
        (12, "three", "metric"),
    ]
    assert str(found[2]) == 'line 10, rule number 2: must be a mapping of fields; it is "not a rule"'


@pytest.mark.parametrize("text", ["", "[]", "rules:", "rules: {}", "- id: a", "alerts: []", "42"])
def test_a_file_of_another_shape_is_named(text: str) -> None:
    assert only(text).reason.startswith("the file must be a mapping with a list named rules; it is ")


def test_what_stands_beside_the_rules_is_named() -> None:
    fault = only("rules: []\ngroups: []\n")
    assert str(fault) == 'line 2: "groups" is not known; allowed beside rules: nothing'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("rules:\n  - id: a\n   metric: b\n", 3),
        ("rules: [\n", 2),
        ("rules:\n\t- id: a\n", 2),
        ("rules: []\n---\nrules: []\n", 2),
        ("rules:\n- id: !!python/object/apply:os.system [true]\n", 2),
        ("rules:\n- id: !custom x\n", 2),
        ('rules: "\x00"', None),
    ],
)
def test_what_is_no_yaml_is_named_with_its_line(text: str, line: int | None) -> None:
    fault = only(text)
    assert fault.reason.startswith("no YAML: ")
    assert fault.line == line


def test_an_alias_is_refused_before_it_is_followed() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    fault = only(bomb + "rules: *i\n")
    assert (fault.line, fault.reason) == (2, "aliases (*name) are not allowed: write it out")


def test_depth_and_size_are_bounded() -> None:
    assert only("rules: " + "[" * 100_000).reason == "nested more than 12 deep"
    assert (
        only("rules: []" + " " * 256 * 1024).reason == "the file may have 262144 bytes at most, and has more"
    )


def test_a_key_that_stands_twice_is_refused() -> None:
    fault = only("rules:\n- id: a\n  threshold: 1\n  threshold: 2\n")
    assert str(fault) == "line 4: threshold stands here for the second time"


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"rules: []\xff")
    with pytest.raises(RulesInvalid, match="must be UTF-8 text; byte 9 is not"):
        rules.load(path)


def test_a_file_that_is_too_big_is_not_read_whole() -> None:
    with pytest.raises(RulesInvalid, match="262144 bytes at most"):
        rules.load("/dev/zero")


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
RIGHT = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
        "metric": st.sampled_from(sorted(METRICS)),
        # JSON writes small doubles as 1e-7, which is text in YAML.
        "threshold": st.integers(-(10**9), 10**9).map(lambda eighths: eighths / 8),
        "operator": st.sampled_from([">", ">=", "<", "<=", "==", "!="]),
        "duration": st.integers(0, 10**9),
        "severity": st.sampled_from(list(map(str, Severity))),
        "message": st.text("abc é.", min_size=1, max_size=20),
    },
    optional={
        "cooldown": st.integers(0, 10**9),
        "keepFiringFor": st.integers(0, 10**9),
        "minSamples": st.integers(1, 10**6),
        "noData": st.sampled_from(list(map(str, NoData))),
        "labels": st.dictionaries(st.sampled_from(["team", "_x"]), st.text("ab", min_size=1, max_size=5)),
        "runbook": st.just("amas status"),
    },
)
FIELDS = [*LEAST, "cooldown", "clearThreshold", "minSamples", "noData", "labels", "runbook", "type", "other"]
VALID = jsonschema_rs.validator_for(json.loads(schema()))


@given(RIGHT)
def test_right_rules_are_taken_and_the_schema_agrees(entry: dict[str, Any]) -> None:
    (rule,) = rules.parse(yaml(entry))
    assert (rule.id, rule.threshold, rule.duration_ms) == (entry["id"], entry["threshold"], entry["duration"])
    assert VALID.is_valid({"rules": [entry]})


@given(RIGHT, st.dictionaries(st.sampled_from(FIELDS), SCALARS, min_size=1, max_size=3))
def test_what_is_taken_the_schema_takes_too(entry: dict[str, Any], changed: dict[str, Any]) -> None:
    whole = {"rules": [entry | changed]}
    with contextlib.suppress(RulesInvalid):
        rules.parse(json.dumps(whole))
        assert VALID.is_valid(whole)


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(RulesInvalid):
        rules.parse(text)


def test_the_committed_schema_is_the_one_of_the_types() -> None:
    """Else run: python -m service.alerts.rules --schema > service/alerts/rules.schema.json."""
    assert rules.DEFAULT.with_name("rules.schema.json").read_text(encoding="utf-8") == schema()


def test_the_schema_tells_an_editor_what_each_field_means() -> None:
    properties = json.loads(schema())["$defs"]["Rule"]["properties"]
    assert all(one["description"] for one in properties.values())
    assert properties["metric"]["enum"] == list(METRICS)
