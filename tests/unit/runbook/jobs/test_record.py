"""What is kept of a run is what the database can hold, whatever the command printed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import UsageError
from runbook.jobs.record import (
    MOST_DETAIL_BYTES,
    MOST_REASON,
    Outcome,
    Record,
    checked_name,
    detail_of,
    from_json,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_object_that_a_verb_printed_is_its_detail() -> None:
    assert detail_of(b'{"rows": 7, "rtoS": 1.5}\n', "", Outcome.OK) == {"rows": 7, "rtoS": 1.5}


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"all well",
        b"[1, 2]",
        b'{"a": 1} {"b": 2}',
        b'{"a": NaN}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": "' + b"x" * MOST_DETAIL_BYTES + b'"}',
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"\xff\xfe",
    ],
)
def test_what_is_no_object_that_the_database_takes_leaves_the_reason_alone(stdout: bytes) -> None:
    assert detail_of(stdout, "error: no backup", Outcome.FAILED) == {"reason": "error: no backup"}
    assert detail_of(stdout, "a warning", Outcome.OK) == {}


@given(VALUES, st.text(max_size=3 * MOST_REASON))
def test_a_detail_can_always_be_stored(value: Any, said: str) -> None:
    detail = detail_of(json.dumps(value).encode(), said, Outcome.FAILED)
    text = json.dumps(detail, ensure_ascii=False, allow_nan=False)
    assert "\\u0000" not in text
    assert len(text.encode()) <= 2 * MOST_DETAIL_BYTES


@given(st.sampled_from(Outcome), st.none() | st.integers(0, 255), st.dictionaries(st.text(), VALUES))
def test_a_record_comes_back_from_its_file_as_it_was(
    outcome: Outcome, exit_code: int | None, detail: dict[str, Any]
) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
    record = Record("one", "backup", at, at, outcome, exit_code, detail)
    assert repr(from_json(json.dumps(record.as_json()))) == repr(record)  # NaN is not equal to itself


@pytest.mark.parametrize("name", ["", "Backup", "a b", "../x", "-x", "1st", "x" * 41])
def test_a_name_that_could_be_a_path_or_an_option_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        checked_name(name)
    assert checked_name("db-growth") == "db-growth"
