"""Old events go once a day, in portions, by the hand of the leader."""

import pytest

from service.alerts.pruning import EVERY_S, PORTION, Pruning
from service.errors import StoreUnavailable

pytestmark = pytest.mark.anyio


class Ended(Exception):
    """The loop was told to sleep."""


class Table:
    """So many events are too old."""

    def __init__(self, old: int) -> None:
        self.old = old
        self.asked = 0
        self.leads = True
        self.at = 0.0
        self.pruning = Pruning(self.prune, lambda: self.leads, lambda: self.at, self.sleep)

    async def prune(self, most: int) -> int:
        self.asked += 1
        if self.old < 0:
            raise StoreUnavailable("gone")
        gone = min(most, self.old)
        self.old -= gone
        return gone

    async def sleep(self, _: float) -> None:
        raise Ended


async def test_the_leader_takes_portions_until_none_is_left_and_then_rests_for_a_day() -> None:
    table = Table(2 * PORTION + 1)
    await table.pruning.look()
    assert (table.old, table.asked) == (0, 3)
    table.at += EVERY_S - 1
    await table.pruning.look()
    assert table.asked == 3
    table.at += 1
    await table.pruning.look()
    assert table.asked == 4


async def test_nobody_else_takes_any() -> None:
    table = Table(1)
    table.leads = False
    await table.pruning.look()
    assert table.asked == 0
    table.leads = True
    await table.pruning.look()
    assert table.old == 0


async def test_what_fails_is_tried_at_the_next_look() -> None:
    table = Table(-1)
    for _ in range(2):
        with pytest.raises(Ended):
            await table.pruning.run()
    assert table.asked == 2
