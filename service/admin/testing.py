"""The in-memory board, and the contract that it and the real one are both held to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.admin.switches import Board
from service.errors import StoreUnavailable


@dataclass
class MemoryBoard:
    """Keeps states in a dict."""

    states: dict[str, bytes] = field(default_factory=dict)
    away: bool = False

    async def read(self) -> Mapping[str, bytes]:
        if self.away:
            raise StoreUnavailable("gone")
        return dict(self.states)

    async def write(self, name: str, state: bytes) -> None:
        if self.away:
            raise StoreUnavailable("gone")
        self.states[name] = state


async def check_board_contract(board: Board) -> None:
    """`board` is empty."""
    assert await board.read() == {}  # noqa: S101
    await board.write("one", b'{"on":true}')
    await board.write("two", "ü".encode())
    await board.write("one", b'{"on":false}')
    assert await board.read() == {"one": b'{"on":false}', "two": "ü".encode()}  # noqa: S101
