from dataclasses import replace

import pytest

from runbook.traffic.check import (
    SHOWN,
    Answer,
    Deviation,
    Deviations,
    Found,
    Kind,
    Looked,
    Sent,
    compare,
    judge,
    verdict,
)
from runbook.traffic.line import STATUS, Expected, Line, Outcome
from runbook.traffic.manifest import Entry, Totals

DUE = Totals(lines=10, stored=6, duplicate=1, conflict=1, refused=2)
ENTRY = Entry(3, Expected(Outcome.STORED, 201, "plain"), "order:1", "aa")


def line(outcome: Outcome) -> Line:
    if outcome is Outcome.REFUSED:
        return Line(5, 0, b"", Expected(outcome, 400, "user-empty", "userId"))
    return Line(5, 0, b"", Expected(outcome, STATUS[outcome], "plain"), "order:1", "aa")


def kind_of(outcome: Outcome, answer: Answer | None, *, perhaps_again: bool = False) -> Kind | None:
    deviation = judge(line(outcome), answer, perhaps_again=perhaps_again)
    return deviation.kind if deviation else None


@pytest.mark.parametrize(
    ("outcome", "answer", "kind"),
    [
        (Outcome.STORED, Answer(201, "order:1"), None),
        (Outcome.STORED, Answer(202, "order:1"), None),
        (Outcome.STORED, Answer(201, "order:2"), Kind.CONFUSED),
        (Outcome.STORED, Answer(200, "order:1"), Kind.CONFUSED),
        (Outcome.STORED, Answer(409), Kind.CONFUSED),
        (Outcome.STORED, Answer(400, field="userId"), Kind.UNSTORED),
        (Outcome.STORED, Answer(502), Kind.UNSTORED),
        (Outcome.STORED, None, Kind.UNANSWERED),
        (Outcome.DUPLICATE, Answer(200, "order:1"), None),
        (Outcome.DUPLICATE, Answer(201, "order:1"), Kind.CONFUSED),
        (Outcome.DUPLICATE, Answer(202, "order:1"), None),
        (Outcome.CONFLICT, Answer(202, "order:1"), Kind.TAKEN),
        (Outcome.CONFLICT, Answer(409), None),
        (Outcome.CONFLICT, Answer(409, field="decisionId"), None),
        (Outcome.CONFLICT, Answer(200, "order:1"), Kind.TAKEN),
        (Outcome.CONFLICT, Answer(500), Kind.OTHERWISE),
        (Outcome.REFUSED, Answer(400, field="userId"), None),
        (Outcome.REFUSED, Answer(400), Kind.OTHERWISE),
        (Outcome.REFUSED, Answer(413, field="userId"), Kind.OTHERWISE),
        (Outcome.REFUSED, Answer(201), Kind.TAKEN),
    ],
)
def test_each_answer_is_held_against_what_was_due(
    outcome: Outcome, answer: Answer | None, kind: Kind | None
) -> None:
    assert kind_of(outcome, answer) == kind


def test_a_new_trace_that_may_have_come_twice_may_be_a_duplicate() -> None:
    assert kind_of(Outcome.STORED, Answer(200, "order:1"), perhaps_again=True) is None
    assert kind_of(Outcome.CONFLICT, Answer(200, "order:1"), perhaps_again=True) is Kind.TAKEN


def test_a_deviation_says_which_line_what_was_due_and_what_came() -> None:
    deviation = judge(
        line(Outcome.REFUSED), Answer(400, field="action", detail="is needed"), perhaps_again=False
    )
    assert deviation is not None
    assert deviation.sentence() == "line 5 (user-empty): due 400 userId, came 400 action is needed"


@pytest.mark.parametrize(
    ("status", "content_hash", "kind"),
    [
        (200, "aa", None),
        (200, "bb", Kind.CHANGED),
        (200, "", Kind.CHANGED),
        (404, "", Kind.MISSING),
        (500, "", Kind.UNREADABLE),
    ],
)
def test_each_row_is_held_against_its_hash(status: int, content_hash: str, kind: Kind | None) -> None:
    deviation = compare(ENTRY, Found(status, content_hash, listed=True))
    assert (deviation.kind if deviation else None) == kind


def test_a_row_that_no_list_shows_is_told() -> None:
    deviation = compare(ENTRY, Found(200, "aa", listed=False))
    assert deviation is not None
    assert deviation.kind is Kind.UNLISTED


def test_what_is_as_due_passes() -> None:
    found = verdict(DUE, Sent(lines=10, acknowledged=6), Looked(rows=6, read_back=6, left=0))
    assert found.ok
    assert found.lines() == []


@pytest.mark.parametrize(
    ("rows", "acknowledged", "ok"), [(6, 5, True), (5, 5, True), (4, 5, False), (7, 5, False)]
)
def test_rows_without_an_answer_may_be_there_or_not(rows: int, acknowledged: int, ok: bool) -> None:
    found = verdict(DUE, Sent(lines=10, acknowledged=acknowledged), Looked(rows=rows))
    assert found.ok is ok


def test_a_run_that_sent_nothing_does_not_pass() -> None:
    assert not verdict(Totals(), Sent(), Looked()).ok


def test_planted_deviations_are_all_told_the_worst_first() -> None:
    def planted(kind: Kind, number: int = 1) -> Deviation:
        return Deviation(kind, number, "plain", "a", "b")

    sent = Sent(lines=8, acknowledged=6, stopped_because="the time limit", deviations=Deviations(
        [planted(Kind.OTHERWISE)] + [planted(Kind.UNSTORED, number) for number in range(1, 31)]))  # fmt: skip
    looked = Looked(rows=5, left=2, deviations=Deviations([planted(Kind.CHANGED), planted(Kind.MISSING)]))
    found = verdict(DUE, sent, looked)
    assert [kind for kind, _, _ in found.deviations] == [
        Kind.MISSING, Kind.CHANGED, Kind.MISCOUNTED, Kind.UNSTORED, Kind.OTHERWISE, Kind.UNANSWERED, Kind.LEFT
    ]  # fmt: skip
    told = "\n".join(found.lines())
    assert "rows of the run: due 6, came 5" in told
    assert "refused, but had to be stored: 30" in told
    assert told.count("line 1 ") == 4
    assert f"and {30 - SHOWN} more" in told
    assert "the time limit: due 10 lines, came 8 answered" in told


def test_merging_keeps_the_first_of_each_kind() -> None:
    one = Deviations([Deviation(Kind.MISSING, number, "plain", "a", "b") for number in range(15)])
    one.merge(Deviations([replace(one.first[Kind.MISSING][0], number=number) for number in range(15, 30)]))
    assert one.counts[Kind.MISSING] == 30
    assert [kept.number for kept in one.first[Kind.MISSING]] == list(range(SHOWN))
