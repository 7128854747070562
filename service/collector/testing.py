"""The in-memory board, and the contract that it and the real one are both held to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from service.collector.share import KEPT_S, Board, most_kept
from service.errors import StoreUnavailable


@dataclass
class MemoryBoard:
    """Shared by the replicas of a test; away when told so."""

    interval_s: float = 30.0
    lists: dict[str, list[bytes]] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)
    away: bool = False

    async def publish(self, replica: str, packed: list[bytes], at: float) -> dict[str, float]:
        self._fail()
        if packed:
            hanging = [*reversed(packed), *self.lists.get(replica, [])]
            self.lists[replica] = hanging[: most_kept(self.interval_s)]
        self.heard[replica] = at
        self.heard = {one: when for one, when in self.heard.items() if when > at - KEPT_S}
        return dict(self.heard)

    async def replicas(self) -> dict[str, float]:
        self._fail()
        return dict(self.heard)

    async def newest(self, most: Mapping[str, int]) -> dict[str, list[bytes]]:
        self._fail()
        return {one: self.lists.get(one, [])[:count] for one, count in most.items()}

    def _fail(self) -> None:
        if self.away:
            raise StoreUnavailable("gone")


def _expect(came: object, wanted: object) -> None:
    if came != wanted:
        raise AssertionError(f"{came} instead of {wanted}")


async def newest_comes_first(board: Board) -> None:
    await board.publish("a", [b"1", b"2"], 1000.0)
    await board.publish("a", [b"3"], 1030.0)
    _expect(await board.newest({"a": 2}), {"a": [b"3", b"2"]})
    _expect(await board.newest({"a": 10, "nobody": 1}), {"a": [b"3", b"2", b"1"], "nobody": []})


async def each_is_heard_when_it_was_last(board: Board) -> None:
    await board.publish("a", [b"1"], 1000.0)
    await board.publish("b", [], 1001.5)
    _expect(await board.publish("a", [], 1030.25), {"a": 1030.25, "b": 1001.5})
    _expect(await board.replicas(), {"a": 1030.25, "b": 1001.5})


async def who_is_silent_for_an_hour_is_forgotten(board: Board) -> None:
    await board.publish("a", [b"1"], 1000.0)
    _expect(await board.publish("b", [b"1"], 1000.0 + KEPT_S), {"b": 1000.0 + KEPT_S})
    _expect(await board.replicas(), {"b": 1000.0 + KEPT_S})


async def an_hour_is_kept(board: Board) -> None:
    most = most_kept(30.0)
    await board.publish("a", [str(n).encode() for n in range(most + 5)], 1000.0)
    kept = (await board.newest({"a": most + 100}))["a"]
    _expect((len(kept), kept[0]), (most, str(most + 4).encode()))


CONTRACT: tuple[Callable[[Board], Awaitable[None]], ...] = (
    newest_comes_first,
    each_is_heard_when_it_was_last,
    who_is_silent_for_an_hour_is_forgotten,
    an_hour_is_kept,
)
