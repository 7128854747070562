"""The spooler acknowledges what the spool has synced, all who gathered in one round, and nothing else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from service.insights import spooler, testing
from service.insights.decision import Outcome, Receipt
from service.insights.spool import Spooled
from service.insights.spooler import REST_S, Spooler
from service.insights.testing_spool import MemorySpool

pytestmark = pytest.mark.anyio

ONE = testing.decision("order:1", occurredAt=testing.recently())


@dataclass
class Counts:
    spooled_count: int = 0
    failures: int = 0
    refusals: list[str] = field(default_factory=list)

    def spooled(self, count: int) -> None:
        self.spooled_count += count

    def spool_failed(self) -> None:
        self.failures += 1

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)


@dataclass
class Slow(MemorySpool):
    """Syncs when `go` is set; remembers how large each round was."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    rounds: list[int] = field(default_factory=list)

    async def add(self, entries: Sequence[Spooled]) -> None:
        self.rounds.append(len(entries))
        await self.go.wait()
        await super().add(entries)


@dataclass
class Bench:
    spool: Slow = field(default_factory=Slow)
    counts: Counts = field(default_factory=Counts)
    now: float = 0.0
    spooler: Spooler = field(init=False)

    def __post_init__(self) -> None:
        self.spooler = Spooler(self.spool, self.counts, lambda: self.now, lambda: datetime.now(UTC), 10)

    def offer(self) -> asyncio.Future[Receipt]:
        return self.spooler.offer(ONE, b"raw", "store_away", "the database is away")


async def test_nothing_is_acknowledged_before_the_sync() -> None:
    bench = Bench()
    offered = bench.offer()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not offered.done()
    bench.spool.go.set()
    assert (await offered).outcome is Outcome.SPOOLED
    assert bench.counts.spooled_count == 1


async def test_what_gathers_during_a_sync_shares_the_next() -> None:
    bench = Bench()
    offered = [bench.offer()]
    await asyncio.sleep(0)
    offered += [bench.offer() for _ in range(7)]
    bench.spool.go.set()
    await asyncio.gather(*offered)
    await bench.spooler.emptied()
    assert bench.spool.rounds == [1, 7]


async def test_a_round_has_a_most_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler, "GROUP_ENTRIES", 3)
    bench = Bench()
    bench.spool.go.set()
    await asyncio.gather(*(bench.offer() for _ in range(8)))
    assert bench.spool.rounds == [3, 3, 2]


async def test_a_round_has_a_most_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler, "GROUP_BYTES", 5)
    bench = Bench()
    bench.spool.go.set()
    await asyncio.gather(*(bench.offer() for _ in range(5)))
    assert bench.spool.rounds == [2, 2, 1]


async def test_more_than_it_may_hold_is_refused_at_once() -> None:
    bench = Bench()
    offered = [bench.offer() for _ in range(11)]
    late = await offered[10]
    assert late.outcome is Outcome.UNAVAILABLE
    assert late.reason == "the database is away, and the spool cannot keep up"
    assert bench.counts.refusals == ["store_away"]
    bench.spool.go.set()
    await asyncio.gather(*offered)


async def test_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooler, "MOST_BYTES", 4)
    bench = Bench()
    bench.spool.go.set()
    first, second, third = bench.offer(), bench.offer(), bench.offer()
    assert (await third).outcome is Outcome.UNAVAILABLE
    await asyncio.gather(first, second)
    assert (await bench.offer()).outcome is Outcome.SPOOLED


async def test_a_spool_that_fails_is_left_alone_for_a_while() -> None:
    bench = Bench()
    bench.spool.go.set()
    bench.spool.stream.away = True
    assert (await bench.offer()).outcome is Outcome.UNAVAILABLE
    bench.spool.stream.away = False
    assert (await bench.offer()).outcome is Outcome.UNAVAILABLE
    assert bench.spool.rounds == [1]
    bench.now += REST_S
    assert (await bench.offer()).outcome is Outcome.SPOOLED
    assert bench.counts.refusals == ["store_away"] * 2
    assert bench.counts.failures == 1


async def test_the_last_tenth_of_the_spool_is_left_to_others() -> None:
    bench = Bench()
    bench.spool.go.set()
    bench.spool.stream.most = 10
    outcomes = [(await bench.offer()).outcome for _ in range(10)]
    assert outcomes == [Outcome.SPOOLED] * 9 + [Outcome.UNAVAILABLE]


async def test_a_full_spool_refuses() -> None:
    bench = Bench()
    bench.spool.go.set()
    bench.spool.stream.most = 0
    assert (await bench.offer()).outcome is Outcome.UNAVAILABLE


async def test_an_unforeseen_error_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def broken(_: object) -> None:
        raise RuntimeError("bug")

    bench.spool.add = broken  # type: ignore[method-assign,assignment]
    assert (await bench.offer()).outcome is Outcome.UNAVAILABLE
    assert "spool failed" in caplog.text


async def test_whoever_left_does_not_stop_the_others() -> None:
    bench = Bench()
    bench.spool.go.set()
    left, stays = bench.offer(), bench.offer()
    left.cancel()
    assert (await stays).outcome is Outcome.SPOOLED
    assert len(bench.spool.stream.entries) == 2


async def test_an_entry_carries_its_bytes_its_run_and_when_it_was_received() -> None:
    bench = Bench()
    bench.spool.go.set()
    received_at = datetime(2026, 11, 23, tzinfo=UTC)
    of_spooler = Spooler(bench.spool, bench.counts, lambda: 0.0, lambda: received_at, 10)
    await of_spooler.offer(replace(ONE, run_id="smoke-1"), b"raw", "store_away", "away")
    (entry,) = bench.spool.stream.entries.values()
    assert entry.spooled == Spooled("order:1", b"raw", "smoke-1", received_at)


@pytest.mark.parametrize("most_bytes", [4, 6])
async def test_an_entry_is_taken_while_those_before_it_are_below_the_bound(
    most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooler, "MOST_BYTES", most_bytes)
    bench = Bench()
    bench.spool.go.set()
    outcomes = [one.outcome for one in await asyncio.gather(*(bench.offer() for _ in range(3)))]
    assert outcomes == [Outcome.SPOOLED, Outcome.SPOOLED, Outcome.UNAVAILABLE]


async def test_emptied_waits_until_everybody_was_answered() -> None:
    bench = Bench()
    offered = bench.offer()
    empty = asyncio.create_task(bench.spooler.emptied())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not empty.done()
    bench.spool.go.set()
    async with asyncio.timeout(5):
        await empty
        assert (await offered).outcome is Outcome.SPOOLED


async def test_the_log_says_how_many_were_lost_to_the_spool_and_why(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.spool.go.set()
    bench.spool.stream.away = True
    await bench.offer()
    (record,) = caplog.records
    assert record.message == "[DecisionSpool] spool away"
    assert (record.rows, record.reason, record.exc_info) == (1, "gone", None)  # type: ignore[attr-defined]


async def test_the_log_keeps_the_trace_of_an_unforeseen_error(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def broken(_: object) -> None:
        raise RuntimeError("bug")

    bench.spool.add = broken  # type: ignore[method-assign,assignment]
    assert (await bench.offer()).reason == "the database is away, and the spool takes nothing"
    (record,) = caplog.records
    assert (record.message, record.rows) == ("[DecisionSpool] spool failed", 1)  # type: ignore[attr-defined]
    assert record.exc_info
    assert bench.counts.failures == 1
