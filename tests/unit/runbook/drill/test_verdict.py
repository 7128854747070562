"""A drill holds when nothing acknowledged is lost, the alert came in time and all was well again in time."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.drill import report
from runbook.drill.fault import BY_NAME, FAULTS, chosen
from runbook.drill.verdict import Drilled, Observed, judge
from runbook.errors import UsageError

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
DB, CACHE = BY_NAME["db"], BY_NAME["cache"]
STORED = {f"id-{number}": 201 for number in range(100)}
WELL = Observed(AT, STORED, list(STORED), 20.0, 5.0, 30.0)


def failed(drilled: Drilled) -> list[str]:
    return [check.name for check in drilled.checks if not check.ok]


def test_a_drill_that_lost_nothing_and_was_told_in_time_passes() -> None:
    assert judge(DB, WELL).passed
    assert judge(BY_NAME["webhook"], replace(WELL, delivered=True)).passed


@pytest.mark.parametrize(
    ("seen", "check"),
    [
        (replace(WELL, stored=list(STORED)[1:]), "no acknowledged trace is lost"),
        (replace(WELL, stored=[*STORED, "id-1"]), "none is stored twice"),
        (replace(WELL, told_after_s=None), "the alert is told"),
        (replace(WELL, told_after_s=DB.told_within_s + 1), "the alert is told"),
        (replace(WELL, recovered_after_s=None), "all is well again"),
        (replace(WELL, answers=dict(list(STORED.items())[:10])), "there was traffic"),
        (replace(WELL, delivered=False), "every notification arrives"),
    ],
)
def test_one_thing_that_does_not_hold_fails_it(seen: Observed, check: str) -> None:
    assert failed(judge(DB, seen)) == [check]


def test_a_lost_trace_is_named() -> None:
    (check,) = [one for one in judge(DB, replace(WELL, stored=list(STORED)[1:])).checks if not one.ok]
    assert check.found == "1 lost: id-0"


def test_what_was_refused_is_no_loss_but_may_be_too_much() -> None:
    """Without the database posts may be refused, without the cache none."""
    seen = replace(WELL, answers=STORED | {"refused": 503, "unanswered": 0})
    assert judge(DB, seen).passed
    assert failed(judge(CACHE, seen)) == ["posts that were refused"]


@given(st.dictionaries(st.text(min_size=1), st.sampled_from([0, 200, 201, 202, 429, 503])), st.data())
def test_lost_is_exactly_what_was_acknowledged_and_is_not_there(
    answers: dict[str, int], data: st.DataObject
) -> None:
    stored = data.draw(st.lists(st.sampled_from(sorted(answers) or ["x"]), unique=True))
    found = judge(DB, Observed(AT, answers, stored, 1.0, 1.0, 1.0)).as_json()
    lost = {name for name, status in answers.items() if status in {200, 201, 202}} - set(stored)
    assert found["lost"] == len(lost)
    assert not (found["passed"] and lost)


def test_everything_is_all_that_can_be_drilled_there() -> None:
    assert list(chosen("all", has_receiver=True)) == list(FAULTS)
    assert [one.name for one in chosen("all", has_receiver=False)] == [
        "db",
        "cache",
        "queue",
        "replica",
        "disk",
    ]
    assert chosen("db", has_receiver=False) == [DB]


def test_what_has_to_be_told_is_drilled_before_a_cooldown_could_hold_it_back() -> None:
    assert [fault.needs_receiver for fault in FAULTS] == [True, *[False] * (len(FAULTS) - 1)]


@pytest.mark.parametrize(
    ("name", "told"), [("meteor", "there are webhook, db"), ("webhook", "a stack of its own")]
)
def test_what_cannot_be_drilled_there_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen(name, has_receiver=False)


def test_the_report_is_dated_and_says_what_failed(tmp_path: Path) -> None:
    drills = [judge(DB, WELL), judge(CACHE, replace(WELL, told_after_s=None))]
    path = report.written("local", AT, drills, tmp_path / "drills")
    assert path.name == "2026-03-10T120000Z-all.md"
    text = path.read_text()
    assert text.startswith("# Drill of 2026-03-10 12:00 UTC: failed\n")
    assert "## db: passed\n" in text
    assert "| the alert is told | **failed** | not in time | within 120 s |" in text
    facts = json.loads(path.with_suffix(".json").read_text())
    assert (facts["passed"], [one["passed"] for one in facts["drills"]]) == (False, [True, False])
    assert facts["drills"][0]["toldAfterS"] == 20.0
    assert report.rows(drills)[1][2] == "the alert is told: not in time (within 120 s)"
