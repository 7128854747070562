import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.api import Api, Keys
from runbook.errors import UsageError
from runbook.incident import clock, gather
from runbook.incident.book import Book
from runbook.incident.gather import Told
from runbook.incident.record import (
    Incident,
    Note,
    Seen,
    Severity,
    closed,
    from_json,
    merged,
    noted,
    timeline,
    to_json,
)
from runbook.incident.template import markdown

START = datetime(2026, 1, 2, 10, 15, tzinfo=UTC)
LATER = START + timedelta(minutes=30)
PEOPLE = {"l1": "Ada +49 30 1", "l3": "Bob"}
FIRING: dict[str, Any] = {
    "id": "alert-1",
    "ruleId": "decision-latency-p99",
    "metric": "decision.latency.p99",
    "severity": "high",
    "value": 850.0,
    "threshold": 500.0,
    "operator": ">",
    "occurredAt": "2026-01-02T10:15:00.000Z",
    "message": "Decision latency P99 exceeds 500ms",
    "labels": {},
}


def incident(**changes: Any) -> Incident:
    usual = Incident(
        id="INC-2026-01-02-001",
        stack="local",
        title="slow decisions",
        severity=Severity.HIGH,
        started=START.isoformat(),
        opened_by="ada",
        symptoms=("High decision latency (P99 = 850ms)", "15 alerts fired"),
        before={"decision.latency.p99": 850.0},
    )
    return replace(usual, **changes)


def page(one: Incident) -> str:
    return markdown(one, PEOPLE, LATER)


def opened(book: Book, today: datetime = START) -> Incident:
    return book.opened(lambda number: incident(id=number), today, page)


def test_the_template_is_filled_in() -> None:
    seen = [Seen("2026-01-02T10:40:00Z", "alert-1", "decision-latency-p99", "resolved", "high", "m")]
    one = closed(
        noted(incident(), Note(LATER.isoformat(), "ada", "killed idle sessions")), LATER, seen, {"x": 1.0}
    )
    one = replace(
        one, cause="pool exhausted", resolution=("killed them", "pool is 30"), prevention=("alert",)
    )
    text = page(one)
    for expected in (
        "**Incident ID**: INC-2026-01-02-001",
        "**Severity**: High",
        "**Started**: 2026-01-02 10:15:00 UTC",
        "**Resolved**: 2026-01-02 10:45:00 UTC",
        "**Duration**: 30 minutes  \n",
        "**Symptoms**:\n- High decision latency (P99 = 850ms)\n- 15 alerts fired",
        "**Root Cause**:\n- pool exhausted",
        "**Resolution**:\n1. killed them\n2. pool is 30",
        "**Prevention**:\n- alert",
        "| 2026-01-02 10:40:00 UTC | alert | decision-latency-p99 resolved (high) |",
        "| decision.latency.p99 | 850 |  |",
        "| x |  | 1 |",
    ):
        assert expected in text


def test_an_open_one_says_what_is_still_to_come() -> None:
    text = page(incident())
    assert "**Resolved**: (open)" in text
    assert "**Duration**: 30 minutes so far" in text
    assert "**Root Cause**:\n- (open)" in text


def test_what_people_write_cannot_break_the_page() -> None:
    text = page(incident(title="a\n# b | <script>", symptoms=("x\n\n| y",)))
    assert "# INC-2026-01-02-001: a # b \\| &lt;script>" in text
    assert "\n- x \\| y" in text


@given(
    st.text(max_size=40),
    st.lists(st.text(min_size=1, max_size=20), max_size=3),
    st.dictionaries(st.sampled_from(["a", "b"]), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_a_record_comes_back_as_it_was(title: str, texts: list[str], before: dict[str, float]) -> None:
    one = incident(title=title, resolution=tuple(texts), before=before, notes=(Note("t", "b", title),))
    assert from_json(json.loads(json.dumps(to_json(one)))) == one


def test_a_field_of_a_later_release_is_passed_over() -> None:
    assert from_json({**to_json(incident()), "mood": "calm"}) == incident()


def test_the_timeline_is_in_order_of_time() -> None:
    one = noted(incident(), Note(LATER.isoformat(), "ada", "restarted"))
    one = closed(
        one, LATER + timedelta(minutes=5), [Seen("2026-01-02T10:20:00Z", "a", "r", "firing", "low", "m")], {}
    )
    assert [entry.text for entry in timeline(one)] == ["began", "r firing (low)", "restarted", "resolved"]


def test_a_transition_that_is_told_twice_stands_once() -> None:
    one = Seen("2026-01-02T10:20:00Z", "a", "r", "firing", "low", "m")
    assert merged((one,), [one, replace(one, status="resolved")]) == [one, replace(one, status="resolved")]


def test_numbers_grow_by_day_and_are_never_given_again(tmp_path: Path) -> None:
    book = Book(tmp_path / "incidents")
    first, second = opened(book), opened(book)
    assert (first.id, second.id) == ("INC-2026-01-02-001", "INC-2026-01-02-002")
    for file in book.folder.glob("INC-*"):
        file.unlink()
    assert opened(book).id == "INC-2026-01-02-003"
    assert opened(book, START + timedelta(days=1)).id == "INC-2026-01-03-001"


def test_numbers_go_on_where_only_the_records_are_left(tmp_path: Path) -> None:
    book = Book(tmp_path)
    opened(book)
    (tmp_path / "numbers").unlink()
    assert opened(book).id == "INC-2026-01-02-002"


def test_record_and_page_are_the_owners_alone_and_no_draft_is_left(tmp_path: Path) -> None:
    book = Book(tmp_path / "incidents")
    one = opened(book)
    assert book.page(one.id).read_text() == page(one)
    assert oct(book.folder.stat().st_mode)[-3:] == "700"
    assert {oct(file.stat().st_mode)[-3:] for file in book.folder.glob("INC-*")} == {"600"}
    assert list(book.folder.glob("*.new")) + list(book.folder.glob(".*.new")) == []


def test_a_write_that_fails_leaves_the_record_as_it_was(tmp_path: Path) -> None:
    book = Book(tmp_path)
    one = opened(book)

    def fail(_: Incident) -> str:
        raise RuntimeError("full disk")

    before = book.page(one.id).read_text()
    with pytest.raises(RuntimeError):
        book.changed(one.id, lambda kept: noted(kept, Note("2026-01-02T10:20:00Z", "ada", "x")), fail)
    assert book.page(one.id).read_text() == before
    assert from_json(json.loads((tmp_path / f"{one.id}.json").read_text())).title == one.title


def test_the_only_open_one_is_meant_when_none_is_named(tmp_path: Path) -> None:
    book = Book(tmp_path)
    with pytest.raises(UsageError, match="open now: none"):
        book.only_open("local")
    first = opened(book)
    assert book.only_open("local") == first.id
    second = opened(book)
    with pytest.raises(UsageError, match=f"open now: {first.id}, {second.id}"):
        book.only_open("local")
    with pytest.raises(UsageError, match="open now: none"):
        book.only_open("another")
    book.changed(first.id, lambda one: closed(one, LATER, (), {}), page)
    assert book.only_open("local") == second.id


@pytest.mark.parametrize("name", ["INC-2026-01-02-009", "../../etc/passwd", ""])
def test_an_unknown_one_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    book = Book(tmp_path)
    opened(book)
    with pytest.raises(UsageError, match="the last ones: INC-2026-01-02-001"):
        book.read(name)


def test_the_clock_calls_level_by_level() -> None:
    at = [START + timedelta(minutes=minutes) for minutes in (1, 31, 61)]
    due = [[one.level for one in clock.calls(incident(), PEOPLE, now) if one.due] for now in at]
    assert due == [["L1"], ["L1", "L2"], ["L1", "L2"]]
    affected = incident(users_affected=True)
    assert [one.level for one in clock.calls(affected, PEOPLE, at[2]) if one.due] == ["L1", "L2", "L3"]


def test_in_an_emergency_everybody_is_called_at_once() -> None:
    calls = clock.calls(incident(emergency=True), PEOPLE, START)
    assert [(one.level, one.due) for one in calls] == [("L1", True), ("L2", True), ("L3", True)]


def test_the_clock_stops_with_the_incident() -> None:
    over = incident(resolved=(START + timedelta(minutes=10)).isoformat(), users_affected=True)
    assert [one.due for one in clock.calls(over, PEOPLE, START + timedelta(days=1))] == [True, False, False]


def test_the_clocks_lines_say_who_and_when() -> None:
    told = clock.lines(incident(), PEOPLE, START + timedelta(minutes=5))
    assert told == [
        "L1  call now: Ada +49 30 1 (L1, on-call engineer)",
        "L2  in 25 min, at 10:45 UTC: Ada +49 30 1 (L2, senior engineer)",
        "initial diagnosis until 10:30 UTC: amas triage latency|webhooks|writes|errors",
    ]


def test_an_incident_begins_with_the_first_of_the_worst_alerts() -> None:
    slight = {**FIRING, "severity": "low", "occurredAt": "2026-01-01T00:00:00.000Z"}
    second = {**FIRING, "occurredAt": "2026-01-02T10:20:00.000Z"}
    assert gather.began(Told(firing=[slight, second, FIRING]), LATER) == START
    assert gather.began(Told(), LATER) == LATER


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        (Told(firing=[FIRING, {**FIRING, "severity": "low"}]), Severity.HIGH),
        (Told(firing=[{**FIRING, "severity": "critical"}]), Severity.HIGH),
        (Told(firing=[{**FIRING, "severity": "medium"}]), Severity.MEDIUM),
        (Told(), Severity.LOW),
        (Told(reason="connection refused"), Severity.HIGH),
    ],
)
def test_it_is_as_severe_as_the_worst_alert(told: Told, severity: Severity) -> None:
    assert gather.severity(told) is severity


def test_data_loss_and_outage_are_emergencies() -> None:
    critical = {**FIRING, "severity": "critical", "labels": {"class": "data-loss"}}
    assert gather.emergency(Told(firing=[critical]))
    assert not gather.emergency(Told(firing=[{**critical, "severity": "high"}]))


def test_symptoms_and_metrics_are_of_what_fires() -> None:
    told = Told(firing=[FIRING], values={"decision.latency.p99": 850.0, "queue.size": 3.0, "odd": 1.0})
    assert gather.symptoms(told) == [
        "Decision latency P99 exceeds 500ms (decision.latency.p99 = 850, limit > 500)",
        "1 alert fired",
    ]
    assert gather.metrics(told) == {"decision.latency.p99": 850.0, "queue.size": 3.0}
    assert gather.metrics(told, ["odd", "gone"])["odd"] == 1.0


def test_a_service_that_is_away_is_the_symptom() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with Api("http://service.test", Keys(), httpx.MockTransport(away)) as api:
        told = gather.gather(api)
    assert "connection refused" in gather.symptoms(told)[0]
    assert gather.metrics(told) == {}


def test_transitions_before_the_incident_are_not_its_own() -> None:
    old = {**FIRING, "id": "alert-0", "status": "resolved", "occurredAt": "2026-01-02T10:14:59.000Z"}
    told = Told(firing=[FIRING], events=[old, {**FIRING, "status": "firing"}])
    assert [one.id for one in merged((), gather.seen(told, START))] == ["alert-1"]
