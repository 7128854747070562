"""An answer is made once for all who ask while it is made or fresh."""

import asyncio

import pytest

from service.collector.memo import Memo

pytestmark = pytest.mark.anyio


class Making:
    """Counts, and ends when told to."""

    def __init__(self) -> None:
        self.at = 0.0
        self.version = 1
        self.made = 0
        self.free = asyncio.Event()
        self.memo = Memo[int](1.0, lambda: self.at, lambda: self.version)

    async def make(self) -> int:
        self.made += 1
        number = self.made
        await self.free.wait()
        if number < 0:
            raise OSError
        return number

    def ask(self) -> asyncio.Task[int]:
        return asyncio.create_task(self.memo.get(self.make))


async def started() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_those_who_ask_together_share_one_making() -> None:
    making = Making()
    asking = [making.ask() for _ in range(5)]
    await started()
    # Nor does one begin because the making takes longer than an answer lives.
    making.at += 5
    asking.append(making.ask())
    await started()
    making.free.set()
    assert await asyncio.gather(*asking) == [1] * 6


async def test_an_answer_is_given_again_until_it_is_too_old_or_of_another_version() -> None:
    making = Making()
    making.free.set()
    assert await making.ask() == 1
    assert await making.ask() == 1
    making.at += 1
    assert await making.ask() == 2
    making.version += 1
    assert await making.ask() == 3
    assert await making.ask() == 3


async def test_who_knows_of_something_newer_does_not_get_what_was_begun_before() -> None:
    making = Making()
    first = making.ask()
    await started()
    making.version += 1
    second = making.ask()
    await started()
    making.free.set()
    assert list(await asyncio.gather(first, second)) == [1, 2]


async def test_one_who_leaves_ends_it_for_nobody() -> None:
    making = Making()
    first, second = making.ask(), making.ask()
    await started()
    first.cancel()
    await started()
    making.free.set()
    assert await second == 1


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    making = Making()
    making.made = -3
    asking = [making.ask() for _ in range(2)]
    await started()
    making.free.set()
    assert [type(one) for one in await asyncio.gather(*asking, return_exceptions=True)] == [OSError] * 2
    making.made = 6
    assert await making.ask() == 7
