"""The queue is bounded and gives out batches of distinct ids."""

import asyncio

import msgspec
import pytest

from service.insights import queue, testing
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.queue import Lead, QueueClosed, QueueFull, WriteQueue

pytestmark = pytest.mark.anyio


def fresh(most_rows: int = 10) -> WriteQueue:
    return WriteQueue(most_rows, lambda: 0.0)


def timed(number: int, **fields: object) -> Decision:
    return testing.decision(f"order:{number}", **({"occurredAt": testing.recently()} | fields))


async def test_a_batch_is_all_that_gathered_in_order() -> None:
    waiting = fresh()
    decisions = [timed(number) for number in range(3)]
    for one in decisions:
        waiting.offer(one, b"raw")
    assert [lead.entry.decision for lead in await waiting.take(500)] == decisions


async def answered(waiting: WriteQueue, rows: int) -> None:
    """A batch of so many came and went."""
    for number in range(rows):
        waiting.offer(timed(number), b"raw")
    batch = await waiting.take(500)
    waiting.settle([lead.entry for lead in batch], Receipt(Outcome.STORED))


async def test_who_was_just_answered_and_who_waits_share_the_next_batch() -> None:
    waiting = fresh()
    await answered(waiting, 2)
    waiting.offer(timed(3), b"raw")
    taking = asyncio.create_task(waiting.take(500))
    for number in (4, 5):
        await asyncio.sleep(0)
        assert not taking.done()
        waiting.offer(timed(number), b"raw")
    assert len(await taking) == 3


async def test_who_does_not_come_again_is_not_waited_for_long() -> None:
    waiting = fresh()
    await answered(waiting, 3)
    waiting.offer(timed(4), b"raw")
    taking = asyncio.create_task(waiting.take(500))
    for _ in range(queue.GATHER_TURNS + 2):
        await asyncio.sleep(0)
    assert taking.done()


async def test_one_alone_is_written_at_once() -> None:
    waiting = fresh()
    await answered(waiting, 1)
    taking = asyncio.create_task(waiting.take(500))
    await asyncio.sleep(0)
    waiting.offer(timed(2), b"raw")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert taking.done()


async def test_of_many_one_half_is_written_while_the_other_is_answered() -> None:
    waiting = fresh(100)
    for number in range(64):
        waiting.offer(timed(number), b"raw")
    sizes, answered_before = [], list[Lead]()
    for _ in range(5):
        batch = await waiting.take(500)
        sizes.append(len(batch))
        for lead in answered_before:
            waiting.offer(lead.entry.decision, b"raw")
        waiting.settle([lead.entry for lead in batch], Receipt(Outcome.STORED))
        answered_before = batch
    assert sizes == [32] * 5


@pytest.mark.parametrize(("rows", "sizes"), [(15, [15]), (20, [16, 4]), (33, [17, 16])])
async def test_few_go_together_and_many_by_halves(rows: int, sizes: list[int]) -> None:
    waiting = fresh(100)
    for number in range(rows):
        waiting.offer(timed(number), b"raw")
    assert [len(await waiting.take(500)) for _ in sizes] == sizes


async def test_nobody_waits_long_for_who_comes_again_when_the_turns_are_long() -> None:
    clock = iter(range(1000))
    waiting = WriteQueue(100, lambda: next(clock) * queue.GATHER_S / 2)
    await answered(waiting, 3)
    waiting.offer(timed(4), b"raw")
    taking = asyncio.create_task(waiting.take(500))
    for _ in range(4):
        await asyncio.sleep(0)
    assert taking.done()


async def test_the_first_of_many_is_not_written_alone() -> None:
    waiting = fresh(100)
    await answered(waiting, 40)
    rest = await asyncio.wait_for(waiting.take(500), 1)
    waiting.settle([lead.entry for lead in rest], Receipt(Outcome.STORED))
    assert len(rest) == 20
    waiting.offer(timed(1), b"raw")
    taking = asyncio.create_task(waiting.take(500))
    await asyncio.sleep(0)
    assert not taking.done()
    for number in range(2, 21):
        waiting.offer(timed(number), b"raw")
    assert len(await taking) == 20


async def test_a_backlog_goes_in_full_batches() -> None:
    waiting = fresh(2000)
    for number in range(1500):
        waiting.offer(timed(number), b"raw")
    assert [len(await waiting.take(500)) for _ in range(2)] == [500, 500]


async def test_what_was_gathered_when_it_closed_is_not_taken() -> None:
    waiting = fresh()
    await answered(waiting, 3)
    waiting.offer(timed(4), b"raw")
    taking = asyncio.create_task(waiting.take(500))
    await asyncio.sleep(0)
    assert len(waiting.close("the store is away")) == 1
    for _ in range(queue.GATHER_TURNS + 2):
        await asyncio.sleep(0)
    assert not taking.done()
    waiting.reopen()
    later = timed(5)
    waiting.offer(later, b"raw")
    assert [lead.entry.decision for lead in await taking] == [later]


async def test_a_batch_has_a_most_of_rows() -> None:
    waiting = fresh()
    for number in range(5):
        waiting.offer(timed(number), b"raw")
    assert [len(await waiting.take(2)) for _ in range(3)] == [2, 2, 1]


async def test_a_batch_has_a_most_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "BATCH_BYTES", 8)
    waiting = fresh()
    for number in range(4):
        waiting.offer(timed(number), b"12345")
    assert [len(await waiting.take(500)) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(("most_bytes", "expected"), [(5, [1, 1, 1]), (6, [2, 1]), (10, [2, 1])])
async def test_a_batch_ends_with_the_row_that_reaches_its_bytes(
    most_bytes: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "BATCH_BYTES", most_bytes)
    waiting = fresh()
    for number in range(3):
        waiting.offer(timed(number), b"12345")
    assert [len(await waiting.take(500)) for _ in expected] == expected


async def test_what_is_taken_counts_until_it_is_answered() -> None:
    waiting = fresh(most_rows=1)
    receipt = waiting.offer(timed(1), b"raw")
    (lead,) = await waiting.take(500)
    with pytest.raises(QueueFull):
        waiting.offer(timed(2), b"raw")
    waiting.settle([lead.entry], Receipt(Outcome.STORED))
    assert (await receipt).outcome is Outcome.STORED
    assert (waiting.rows, waiting.size_bytes) == (0, 0)
    waiting.offer(timed(2), b"raw")


async def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_BYTES", 5)
    waiting = fresh()
    waiting.offer(timed(1), b"12345")
    with pytest.raises(QueueFull):
        waiting.offer(timed(2), b"1")


async def test_the_same_content_follows_and_other_content_waits() -> None:
    waiting = fresh()
    first, other = timed(1, occurredAt="2026-11-23T00:00:00Z"), timed(1, action="other")
    for one in (first, other, first):
        waiting.offer(one, b"raw")
    (lead,) = await waiting.take(500)
    assert [follower.decision for follower in lead.followers] == [first]
    (held,) = await waiting.take(500)
    assert held.entry.decision is other


async def test_settling_twice_or_after_the_waiter_left_changes_nothing() -> None:
    waiting = fresh()
    receipt = waiting.offer(timed(1), b"raw")
    (lead,) = await waiting.take(500)
    receipt.cancel()
    for _ in range(2):
        waiting.settle([lead.entry], Receipt(Outcome.STORED))
    assert waiting.rows == 0


async def test_closed_takes_nothing_until_reopened() -> None:
    waiting = fresh()
    waiting.offer(timed(1), b"raw")
    (left,) = waiting.close("away")
    with pytest.raises(QueueClosed, match="away"):
        waiting.offer(timed(2), b"raw")
    waiting.reopen()
    waiting.offer(timed(2), b"raw")
    assert left.decision.decision_id == "order:1"


async def test_emptied_waits_for_the_last_answer() -> None:
    waiting = fresh()
    await waiting.emptied()
    waiting.offer(timed(1), b"raw")
    (lead,) = await waiting.take(500)
    empty = asyncio.create_task(waiting.emptied())
    await asyncio.sleep(0)
    assert not empty.done()
    waiting.settle([lead.entry], Receipt(Outcome.STORED))
    await empty


async def test_the_same_content_of_another_run_waits() -> None:
    """It would be acknowledged as a duplicate of a row that a purge may take."""
    waiting = fresh()
    real = timed(1, occurredAt="2026-11-23T00:00:00Z")
    of_run = msgspec.structs.replace(real, run_id="smoke-1")
    for one in (of_run, real, of_run):
        waiting.offer(one, b"raw")
    (lead,) = await waiting.take(500)
    assert [follower.decision for follower in lead.followers] == [of_run]
    (held,) = await waiting.take(500)
    assert held.entry.decision is real


async def test_what_is_held_back_keeps_its_place_and_its_order() -> None:
    waiting = fresh()
    first, second, third = (timed(1, action=action) for action in ("a", "b", "c"))
    later = timed(2)
    for one in (first, second, third, later):
        waiting.offer(one, b"raw")
    batches = [[lead.entry.decision for lead in await waiting.take(2)] for _ in range(3)]
    assert batches == [[first, later], [second], [third]]


async def test_the_age_is_that_of_the_oldest_without_an_answer() -> None:
    now = 100.0
    waiting = WriteQueue(10, lambda: now)
    assert waiting.age_s == 0.0
    waiting.offer(timed(1), b"raw")
    now = 103.0
    waiting.offer(timed(2), b"raw")
    assert waiting.age_s == 3.0
    (lead,) = await waiting.take(1)
    now = 110.0
    assert waiting.age_s == 10.0
    waiting.settle([lead.entry], Receipt(Outcome.STORED))
    assert waiting.age_s == 7.0


async def test_a_full_queue_says_how_many_wait() -> None:
    waiting = fresh(most_rows=1)
    waiting.offer(timed(1), b"raw")
    with pytest.raises(QueueFull, match=r"^1 decisions wait to be written$"):
        waiting.offer(timed(2), b"raw")
    assert (waiting.rows, waiting.size_bytes) == (1, 3)


async def test_every_row_and_byte_counts_until_its_own_answer() -> None:
    waiting = fresh()
    for number, raw in ((1, b"12345"), (2, b"12")):
        waiting.offer(timed(number), raw)
    assert (waiting.rows, waiting.size_bytes) == (2, 7)
    one, two = await waiting.take(10)
    waiting.settle([one.entry, one.entry], Receipt(Outcome.STORED))
    assert (waiting.rows, waiting.size_bytes) == (1, 2)
    waiting.settle([one.entry, two.entry], Receipt(Outcome.STORED))
    assert (waiting.rows, waiting.size_bytes) == (0, 0)


async def test_an_answered_entry_does_not_keep_the_next_from_its_answer() -> None:
    waiting = fresh()
    receipts = [waiting.offer(timed(number), b"raw") for number in (1, 2)]
    one, two = (lead.entry for lead in await waiting.take(10))
    waiting.settle([one], Receipt(Outcome.STORED))
    waiting.settle([one, two], Receipt(Outcome.DUPLICATE))
    assert [receipt.result().outcome for receipt in receipts] == [Outcome.STORED, Outcome.DUPLICATE]


@pytest.mark.parametrize("how", ["taken", "closed"])
async def test_a_take_waits_while_there_is_nothing(how: str) -> None:
    waiting = fresh()
    waiting.offer(timed(1), b"raw")
    if how == "taken":
        await waiting.take(10)
    else:
        waiting.close("away")
        waiting.reopen()
    taking = asyncio.create_task(waiting.take(10))
    await asyncio.sleep(0)
    assert not taking.done()
    waiting.offer(timed(2), b"raw")
    async with asyncio.timeout(5):
        (lead,) = await taking
    assert lead.entry.decision.decision_id == "order:2"


async def test_emptied_waits_anew_for_what_came_after() -> None:
    waiting = fresh()
    for number in (1, 2):
        waiting.offer(timed(number), b"raw")
        (lead,) = await waiting.take(10)
        empty = asyncio.create_task(waiting.emptied())
        await asyncio.sleep(0)
        assert not empty.done()
        waiting.settle([lead.entry], Receipt(Outcome.STORED))
        async with asyncio.timeout(5):
            await empty


async def test_closing_hands_over_what_waits_once() -> None:
    waiting = fresh()
    for number in (1, 2):
        waiting.offer(timed(number), b"raw")
    assert [entry.decision.decision_id for entry in waiting.close("away")] == ["order:1", "order:2"]
    assert waiting.close("away") == []
