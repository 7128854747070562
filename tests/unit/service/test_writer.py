"""The writer answers 2xx only for what the store confirmed, whatever the store does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from service.errors import StoreUnavailable
from service.insights import testing
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.queue import QueueClosed, WriteQueue
from service.insights.spooler import Spooler
from service.insights.testing import POISON, MemoryStore
from service.insights.testing_spool import MemorySpool, MemoryStream
from service.insights.writer import Timing, Writer

pytestmark = pytest.mark.anyio


@dataclass
class Counts:
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    letters: int = 0
    retries: int = 0

    def wrote(self, outcome: Outcome, waited_s: Sequence[float]) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + len(waited_s)

    def buried(self) -> None:
        self.letters += 1

    def retried(self) -> None:
        self.retries += 1

    def spooled(self, count: int) -> None: ...

    def spool_failed(self) -> None: ...

    def refused(self, reason: str) -> None: ...


@dataclass
class Bench:
    """A writer on a clock of its own: sleeping is what moves it. The spool is away unless told."""

    store: MemoryStore = field(default_factory=MemoryStore)
    counts: Counts = field(default_factory=Counts)
    spool: MemorySpool = field(default_factory=lambda: MemorySpool(MemoryStream(away=True)))
    now: float = 0.0
    queue: WriteQueue = field(init=False)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.queue = WriteQueue(100, lambda: self.now)
        timing = Timing(lambda: self.now, lambda: 0.5, self._sleep)
        spooler = Spooler(self.spool, self.counts, lambda: self.now, lambda: datetime.now(UTC), 100)
        self.writer = Writer(self.queue, self.store, spooler.spill, self.counts, timing, 500)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def receipts(self, *decisions: Decision) -> list[Receipt]:
        offered = [self.queue.offer(one, b"raw") for one in decisions]
        async with asyncio.timeout(5), self.running():
            return list(await asyncio.gather(*offered))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.writer.run())
        try:
            yield
        finally:
            task.cancel()


def decisions(count: int, **fields: object) -> list[Decision]:
    return [
        testing.decision(f"order:{n}", **({"occurredAt": testing.recently()} | fields)) for n in range(count)
    ]


def gone(bench: Bench) -> bool:
    return bench.writer.away


def outcomes(receipts: Sequence[Receipt]) -> list[Outcome]:
    return [one.outcome for one in receipts]


async def test_what_gathered_is_one_batch() -> None:
    bench = Bench()
    assert outcomes(await bench.receipts(*decisions(7))) == [Outcome.STORED] * 7
    assert bench.store.batches == [7]
    assert bench.counts.outcomes[Outcome.STORED] == 7


async def test_the_same_id_twice_in_a_batch_is_stored_once() -> None:
    bench = Bench()
    (one,) = decisions(1)
    other = testing.decision(one.decision_id, occurredAt=testing.recently(), action="other")
    assert outcomes(await bench.receipts(one, one, other)) == [
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
    ]
    assert bench.store.rows == {one.decision_id: one}


async def test_followers_of_a_conflict_conflict() -> None:
    bench = Bench()
    (one,) = decisions(1)
    other = testing.decision(one.decision_id, occurredAt=testing.recently(), action="other")
    bench.store.rows[one.decision_id] = other
    assert outcomes(await bench.receipts(one, one)) == [Outcome.CONFLICT] * 2


async def test_a_store_that_comes_back_in_time_costs_only_time() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("restarting")] * 4
    assert outcomes(await bench.receipts(*decisions(3))) == [Outcome.STORED] * 3
    assert bench.counts.retries == 4


async def test_a_store_that_stays_away_is_never_acknowledged() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("gone")] * 1000
    came = await bench.receipts(*decisions(3))
    assert outcomes(came) == [Outcome.UNAVAILABLE] * 3
    assert bench.store.rows == {}
    with pytest.raises(QueueClosed):
        bench.queue.offer(decisions(1)[0], b"raw")


async def test_what_the_store_does_not_take_goes_to_the_spool_with_all_that_waits() -> None:
    """Also what may have been committed: nobody knows, and the id makes it safe to bring it again."""
    bench = Bench(spool=MemorySpool())
    bench.store.failures = [StoreUnavailable("gone")] * 1000
    one, two, three = decisions(3)
    offered = [bench.queue.offer(each, b"raw") for each in (one, one, two)]
    async with asyncio.timeout(5), bench.running():
        offered.append(bench.queue.offer(three, b"raw"))
        assert outcomes(await asyncio.gather(*offered)) == [Outcome.SPOOLED] * 4
    assert [entry.spooled.decision_id for entry in bench.spool.stream.entries.values()] == [
        "order:0", "order:1", "order:2",
    ]  # fmt: skip
    assert bench.queue.rows == 0


async def test_what_was_answered_before_the_store_went_away_is_not_spooled() -> None:
    """The batch is bisected around the poison, and the store goes away in between."""
    bench = Bench(spool=MemorySpool())
    first, second, poison = (
        *decisions(2),
        testing.decision("order:9", occurredAt=testing.recently(), userId=POISON),
    )
    written = bench.store.write

    async def once(batch: Sequence[Decision]) -> list[Receipt]:
        receipts = await written(batch)
        bench.store.failures = [StoreUnavailable("gone")] * 1000
        return receipts

    bench.store.write = once  # type: ignore[method-assign]
    assert outcomes(await bench.receipts(first, second, poison)) == [
        Outcome.STORED,
        Outcome.SPOOLED,
        Outcome.SPOOLED,
    ]


async def test_after_the_store_is_back_decisions_are_taken_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("gone")] * 30
    with caplog.at_level(logging.INFO):
        await bench.receipts(*decisions(1))
        async with bench.running():
            bench.store.failures.clear()
            bench.queue.reopen()
            assert outcomes(await bench.receipts(*decisions(1))) == [Outcome.STORED]
    assert "Failed to write decision insight" in caplog.text
    assert "[DecisionRecorder]" in caplog.text


async def test_the_writer_finds_the_store_by_itself() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("gone")] * 1000
    offered = bench.queue.offer(decisions(1)[0], b"raw")
    async with asyncio.timeout(5), bench.running():
        await offered
        assert gone(bench)
        bench.store.failures.clear()
        while gone(bench):  # noqa: ASYNC110  # the fake clock runs only while somebody sleeps
            await asyncio.sleep(0)
        assert (await bench.queue.offer(decisions(1)[0], b"raw")).outcome is Outcome.STORED


@pytest.mark.parametrize("place", [0, 3, 6])
async def test_a_poison_row_is_isolated_and_the_others_are_stored(place: int) -> None:
    bench = Bench()
    batch = decisions(7)
    batch[place] = testing.decision(f"order:{place}", occurredAt=testing.recently(), userId=POISON)
    expected = [Outcome.STORED] * 7
    expected[place] = Outcome.POISON
    assert outcomes(await bench.receipts(*batch)) == expected
    assert len(bench.store.rows) == 6
    assert [(letter.decision_id, letter.raw) for letter in bench.store.letters] == [
        (f"order:{place}", b"raw")
    ]
    assert bench.counts.letters == 1


async def test_a_poison_row_that_cannot_be_buried_is_not_refused_for_good() -> None:
    """Its sender tries again, and then it is buried."""
    bench = Bench()
    poison = testing.decision("order:1", occurredAt=testing.recently(), userId=POISON)

    async def away(*_: object) -> None:
        raise StoreUnavailable("gone")

    bench.store.bury = away  # type: ignore[method-assign,assignment]
    assert outcomes(await bench.receipts(poison)) == [Outcome.UNAVAILABLE]


async def test_an_unforeseen_error_costs_one_batch_and_not_the_writer() -> None:
    bench = Bench()
    bench.store.failures = [RuntimeError("bug")]
    first, second = decisions(2)
    offered = bench.queue.offer(first, b"raw")
    async with asyncio.timeout(5), bench.running():
        assert (await offered).outcome is Outcome.UNAVAILABLE
        assert (await bench.queue.offer(second, b"raw")).outcome is Outcome.STORED
    assert bench.queue.rows == 0


async def test_a_waiter_who_left_does_not_stop_the_batch() -> None:
    bench = Bench()
    left, stays = decisions(2)
    bench.queue.offer(left, b"raw").cancel()
    assert outcomes(await bench.receipts(stays)) == [Outcome.STORED]
    assert left.decision_id in bench.store.rows
    assert bench.queue.rows == 0


async def test_an_error_nobody_foresaw_ends_the_writer_and_nobody_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Here the gauge fails, while it is told of the batch."""
    bench = Bench()

    def broken(*_: object) -> None:
        raise RuntimeError("bug")

    bench.counts.wrote = broken  # type: ignore[method-assign,assignment]
    (one, two), writer = decisions(2), bench.writer
    offered = [bench.queue.offer(each, b"raw") for each in (one, one, two)]
    async with asyncio.timeout(5):
        await writer.run()
        came = outcomes(await asyncio.gather(*offered))
    assert set(came) <= {Outcome.STORED, Outcome.DUPLICATE, Outcome.UNAVAILABLE}
    assert writer.failed
    assert bench.queue.rows == 0
    assert "the writer ended" in caplog.text
    with pytest.raises(QueueClosed, match="the writer ended"):
        bench.queue.offer(two, b"raw")


async def test_a_ping_that_fails_unforeseen_ends_the_writer_too() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("gone")] * 1000

    async def broken() -> None:
        raise RuntimeError("bug")

    bench.store.ping = broken  # type: ignore[method-assign]
    offered = bench.queue.offer(decisions(1)[0], b"raw")
    async with asyncio.timeout(5):
        await bench.writer.run()
        assert (await offered).outcome is Outcome.UNAVAILABLE
    assert bench.writer.failed


async def test_an_attempt_that_hangs_is_called_off() -> None:
    """At the end of a drain: what is not answered now is cut without any answer."""
    bench = Bench()

    async def hang(_: object) -> list[Receipt]:
        try:
            await asyncio.Event().wait()
        finally:
            # As psycopg does: it asks the frozen server to cancel.
            await asyncio.sleep(60)
        return []

    bench.store.write = hang  # type: ignore[method-assign,assignment]
    offered = bench.queue.offer(decisions(1)[0], b"raw")
    async with asyncio.timeout(2), bench.running():
        await asyncio.sleep(0.01)
        bench.writer.call_off()
        assert (await offered).outcome is Outcome.UNAVAILABLE


async def test_once_called_off_a_batch_has_one_attempt() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("gone")] * 3
    bench.writer.call_off()
    assert outcomes(await bench.receipts(*decisions(1))) == [Outcome.UNAVAILABLE]
    assert bench.counts.retries == 0
