"""The in-memory store keeps the contract; the real one asks the database the right questions."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from service.errors import StoreUnavailable
from service.insights import testing
from service.insights.decision import Decision, Outcome
from service.insights.store import DatabaseStore, Store, letter_of

pytestmark = pytest.mark.anyio


class Script:
    """Answers queries by name and remembers which were asked."""

    def __init__(self, **answers: list[tuple[Any, ...]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def rows(self, query: str, _: Mapping[str, object]) -> list[tuple[Any, ...]]:
        self.asked.append(query)
        return self.answers.get(query, [])


ONE = testing.decision("order:1", occurredAt=testing.recently())
TWO = testing.decision("order:2", occurredAt=testing.recently())


async def outcomes(script: Script, *batch: Decision) -> list[Outcome]:
    return [receipt.outcome for receipt in await DatabaseStore(script).write(batch)]


@pytest.mark.parametrize("case", testing.CONTRACT, ids=lambda case: case.__name__)
async def test_memory_store_keeps_the_contract(case: Callable[[Store], Awaitable[None]]) -> None:
    await case(testing.MemoryStore())


async def test_a_fresh_batch_is_one_statement() -> None:
    script = Script(write_batch=[("order:1",), ("order:2",)])
    assert await outcomes(script, ONE, TWO) == [Outcome.STORED] * 2
    assert script.asked == ["write_batch"]


async def test_ids_that_all_carry_their_time_need_no_keys() -> None:
    timed = testing.decision(testing.uuid7(datetime.now(UTC)))
    script = Script(write_timed=[(timed.decision_id,)])
    assert await outcomes(script, timed) == [Outcome.STORED]
    assert script.asked == ["write_timed"]


async def test_duplicates_alone_are_confirmed_by_a_commit_of_our_own() -> None:
    """Their first commit may have lost its wait for the standby; ours waits for everything before it."""
    script = Script(identities=[("order:1", ONE.content_hash, None)])
    assert await outcomes(script, ONE) == [Outcome.DUPLICATE]
    assert script.asked == ["write_batch", "identities", "confirm_earlier_commits"]


async def test_a_stored_row_beside_the_duplicate_confirms_it() -> None:
    script = Script(write_batch=[("order:2",)], identities=[("order:1", ONE.content_hash, None)])
    assert await outcomes(script, ONE, TWO) == [Outcome.DUPLICATE, Outcome.STORED]
    assert "confirm_earlier_commits" not in script.asked


async def test_a_row_that_vanished_while_it_was_compared_is_not_known() -> None:
    with pytest.raises(StoreUnavailable, match="vanished"):
        await DatabaseStore(Script()).write([ONE])


@pytest.mark.parametrize(
    ("kept", "asked"), [([(1,)], ["bury"]), ([], ["bury", "confirm_earlier_commits"])], ids=["new", "known"]
)
async def test_a_letter_that_was_kept_before_is_confirmed_by_a_commit_of_our_own(
    kept: list[tuple[Any, ...]], asked: list[str]
) -> None:
    """As for duplicates: the first wait for the standby may have been cancelled."""
    script = Script(bury=kept)
    await DatabaseStore(script).bury(letter_of(ONE, b"raw", "22P05", "why"))
    assert script.asked == asked
