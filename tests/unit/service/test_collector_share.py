"""Replicas see one another's snapshots, and their own whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs
from redis.asyncio import BlockingConnectionPool

from service import redisdb
from service.collector.share import KEPT_S, Board, Shared, most_kept, replica_id
from service.collector.testing import CONTRACT, MemoryBoard
from tests.unit.service.snapshots import snapshot

pytestmark = pytest.mark.anyio
INTERVAL_S = 30.0


class Replicas:
    """Some of them at one board, on one clock."""

    def __init__(self, *names: str) -> None:
        self.at = 90_000.0
        self.board = MemoryBoard(INTERVAL_S)
        self.each = {name: self.join(name) for name in names}

    def join(self, name: str) -> Shared:
        return Shared(self.board, name, INTERVAL_S, lambda: self.at)

    async def step(self, *names: str) -> None:
        """An interval passes, and those publish what they took and read what the others did."""
        self.at += INTERVAL_S
        for name in names:
            await self.each[name].exchange(snapshot(self.at, 0.01, replica=name))
        for name in names:
            await self.each[name].refresh()

    def seen(self, by: str) -> list[tuple[str, float]]:
        return sorted((one.replica, one.at - 90_000) for one in self.each[by].snapshots())


@pytest.mark.parametrize("holds", CONTRACT, ids=lambda one: one.__name__)
async def test_the_twin_keeps_the_contract(holds: Callable[[Board], Awaitable[None]]) -> None:
    await holds(MemoryBoard(INTERVAL_S))


async def test_each_sees_all_snapshots_of_all() -> None:
    replicas = Replicas("a", "b")
    for _ in range(3):
        await replicas.step("a", "b")
    wanted = [(name, 30.0 * n) for name in "ab" for n in (1, 2, 3)]
    assert replicas.seen("a") == replicas.seen("b") == wanted
    assert replicas.each["a"].shared


async def test_who_joins_late_sees_what_was_before() -> None:
    replicas = Replicas("a")
    for _ in range(20):
        await replicas.step("a")
    replicas.each["b"] = replicas.join("b")
    await replicas.step("b")
    assert len(replicas.seen("b")) == 21


async def test_who_was_silent_for_three_intervals_is_dead_and_what_it_served_still_counts() -> None:
    replicas = Replicas("a", "b")
    await replicas.step("a", "b")
    for _ in range(3):
        await replicas.step("a")
    assert set(replicas.each["a"].live()) == {"a", "b"}
    await replicas.step("a")
    assert set(replicas.each["a"].live()) == {"a"}
    assert ("b", 30.0) in replicas.seen("a")
    late = replicas.join("c")
    await late.refresh()
    assert {one.replica for one in late.snapshots()} == {"a", "b"}
    assert set(late.live()) == {"a", "c"}


async def test_who_left_is_gone_at_once_and_what_it_served_still_counts() -> None:
    replicas = Replicas("a", "b")
    await replicas.step("a", "b")
    replicas.at += 1
    last = structs.replace(snapshot(replicas.at, 0.01, replica="b"), left=True)
    await replicas.each["b"].exchange(last)
    await replicas.each["a"].refresh()
    assert set(replicas.each["a"].live()) == {"a"}
    assert ("b", 31.0) in replicas.seen("a")


async def test_a_replica_that_takes_nothing_still_lives() -> None:
    replicas = Replicas("a", "b")
    await replicas.step("a", "b")
    for _ in range(5):
        await replicas.step("a")
        await replicas.each["b"].exchange(None)
    await replicas.each["a"].refresh()
    assert set(replicas.each["a"].live()) == {"a", "b"}


async def test_with_the_board_away_each_has_its_own() -> None:
    replicas = Replicas("a", "b")
    await replicas.step("a", "b")
    replicas.board.away = True
    await replicas.step("a", "b")
    assert replicas.seen("a") == [("a", 30.0), ("a", 60.0)]
    assert not replicas.each["a"].shared
    assert replicas.each["a"].live() == {"a": 0.0}


async def test_what_could_not_be_published_is_with_the_next() -> None:
    replicas = Replicas("a", "b")
    replicas.board.away = True
    await replicas.step("a", "b")
    await replicas.step("a", "b")
    replicas.board.away = False
    await replicas.step("a", "b")
    assert replicas.seen("a") == [(name, 30.0 * n) for name in "ab" for n in (1, 2, 3)]
    assert len(replicas.board.lists["a"]) == 3


async def test_after_an_hour_all_is_forgotten() -> None:
    replicas = Replicas("a", "b")
    await replicas.step("a", "b")
    replicas.at += KEPT_S
    await replicas.step("a")
    assert len(replicas.seen("a")) == 1
    replicas.board.away = True
    replicas.at += 2 * KEPT_S
    await replicas.each["a"].refresh()
    assert replicas.seen("a") == []
    assert replicas.each["a"].last("a") is None


async def test_a_snapshot_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    replicas = Replicas("a", "b")
    await replicas.board.publish("b", [b"\xff", b"{}"], replicas.at + INTERVAL_S)
    await replicas.step("a")
    assert replicas.seen("a") == [("a", 30.0)]
    assert "left out" in caplog.text


async def test_only_what_is_new_is_read() -> None:
    asked: list[int] = []

    class Counting(MemoryBoard):
        async def newest(self, most: object) -> dict[str, list[bytes]]:
            asked.extend(most.values())  # type: ignore[attr-defined]
            return await super().newest(most)  # type: ignore[arg-type]

    replicas = Replicas("a", "b")
    replicas.board = Counting(INTERVAL_S)
    replicas.each = {name: replicas.join(name) for name in "ab"}
    for _ in range(4):
        await replicas.step("a", "b")
    await replicas.each["a"].refresh()
    assert max(asked[2:]) <= 3


async def test_those_who_ask_together_share_one_reading() -> None:
    reads = 0

    class Narrow(MemoryBoard):
        async def replicas(self) -> dict[str, float]:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0)
            return await super().replicas()

    replicas = Replicas()
    replicas.board = Narrow(INTERVAL_S)
    shared = replicas.join("a")
    leaving = asyncio.create_task(shared.refresh())
    staying = [asyncio.create_task(shared.refresh()) for _ in range(4)]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(*staying)
    assert reads == 1
    await shared.refresh()
    assert reads == 2
    assert shared.shared


async def test_a_command_waits_for_a_free_connection_instead_of_failing() -> None:
    client = redisdb.connect("redis://none", timeout_s=0.01, most_connections=1)
    pool = client.connection_pool
    assert isinstance(pool, BlockingConnectionPool)
    assert (pool.timeout, pool.max_connections) == (0.01, 1)


def test_a_replica_is_named_after_its_container_and_never_twice() -> None:
    assert replica_id() != replica_id()


@pytest.mark.parametrize(("interval_s", "most"), [(30.0, 121), (0.5, 1801), (300.0, 13)])
def test_an_hour_is_kept_but_never_too_much(interval_s: float, most: int) -> None:
    assert most_kept(interval_s) == most
