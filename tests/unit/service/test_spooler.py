"""The spooler acknowledges what the spool has synced, all who gathered in one round, and nothing else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

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
