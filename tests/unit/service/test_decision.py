"""What a stored id means for a decision that comes again, and how a refusal reads."""

import pytest
from msgspec.structs import replace

from service.insights import testing
from service.insights.decision import Decision, Outcome, Receipt, Refusal, against

ONE = testing.decision("order:1", occurredAt=testing.recently())
OF_RUN = replace(ONE, run_id="smoke-1")
OTHER = "0" * 64


@pytest.mark.parametrize("decision", [ONE, OF_RUN])
def test_the_same_content_of_the_same_run_is_a_duplicate(decision: Decision) -> None:
    assert against(decision, ONE.content_hash, decision.run_id) == Receipt(Outcome.DUPLICATE)


@pytest.mark.parametrize("decision", [ONE, OF_RUN])
def test_other_content_is_a_conflict_that_names_no_run(decision: Decision) -> None:
    expected = Receipt(Outcome.CONFLICT, "is stored with other content")
    assert against(decision, OTHER, decision.run_id) == expected


@pytest.mark.parametrize("content", [ONE.content_hash, OTHER], ids=["same", "other"])
@pytest.mark.parametrize(
    ("decision", "run_id", "reason"),
    [
        (OF_RUN, None, "is stored outside of any load or smoke run"),
        (ONE, "smoke-1", "belongs to a load or smoke run, whose rows may be purged"),
        (OF_RUN, "smoke-2", "belongs to another load or smoke run, whose rows may be purged"),
    ],
)
def test_an_id_of_another_run_is_a_conflict_that_says_whose_it_is(
    decision: Decision, run_id: str | None, reason: str, content: str
) -> None:
    assert against(decision, content, run_id) == Receipt(Outcome.CONFLICT, reason)


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (Refusal("action", "must be text", "7"), "action must be text; it came as 7"),
        (Refusal("action", "is missing"), "action is missing"),
        (Refusal(None, "the trace is not JSON", ""), "the trace is not JSON; it came as "),
    ],
)
def test_a_refusal_names_the_field_what_is_allowed_and_what_came(refusal: Refusal, sentence: str) -> None:
    assert refusal.sentence() == sentence
