"""However decisions repeat and contradict each other in a batch, each gets the answer of its own."""

import pytest

from service.errors import StoreRefused
from service.insights import testing
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.persist import Announced, distinct, persist
from service.insights.testing import POISON, MemoryStore

pytestmark = pytest.mark.anyio

AT = testing.recently()


def one(number: int, **fields: object) -> Decision:
    return testing.decision(f"order:{number}", **({"occurredAt": AT} | fields))


def kinds(results: list[Receipt | StoreRefused]) -> list[str]:
    return [str(each.outcome) if isinstance(each, Receipt) else "refused" for each in results]


def test_a_batch_holds_each_id_once_and_repeats_follow() -> None:
    batch, waits = distinct(list(enumerate([one(1), one(2), one(1), one(1, action="other"), one(1)])))
    assert [(lead.place, lead.followers) for lead in batch] == [(0, [2, 4]), (1, [])]
    assert [place for place, _ in waits] == [3]


async def test_results_are_in_order_whatever_order_was_written() -> None:
    store = MemoryStore()
    came = await persist(store, [one(1), one(1, action="b"), one(1), one(2, userId=POISON), one(3)])
    assert kinds(came) == ["stored", "conflict", "duplicate", "refused", "stored"]
    assert set(store.rows) == {"order:1", "order:3"}


async def test_repeats_of_what_is_refused_are_refused() -> None:
    assert kinds(await persist(MemoryStore(), [one(1, userId=POISON)] * 3)) == ["refused"] * 3


async def test_nothing_at_all_is_nothing() -> None:
    assert await persist(MemoryStore(), []) == []


async def test_what_the_store_holds_is_announced_before_anybody_is_answered() -> None:
    told: list[str] = []
    store = Announced(MemoryStore(), lambda held: told.extend(each.decision_id for each in held))
    receipts = await store.write([one(1), one(2)])
    assert [receipt.outcome for receipt in receipts] == [Outcome.STORED] * 2
    assert told == ["order:1", "order:2"]
    await store.write([one(1), one(2, action="other")])
    assert told == ["order:1", "order:2", "order:1"]
