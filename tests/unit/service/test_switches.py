"""Switches: thrown anywhere, known everywhere, and never lost to a Redis that is away."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from service.admin.switches import INSIGHT_WRITES, METRICS_COLLECTION, NAMES, NOTIFICATIONS, State, Switches
from service.admin.testing import MemoryBoard, check_board_contract
from service.errors import Problem

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def throw(switches: Switches, name: str, *, on: bool, now: datetime = NOW) -> State:
    return await switches.throw(name, on=on, reason="storm", by="admin:0a1b2c3d", now=now)


async def test_the_board_in_memory_keeps_the_contract() -> None:
    await check_board_contract(MemoryBoard())


async def test_all_are_off_at_first() -> None:
    switches = Switches(MemoryBoard())
    assert [switches.is_on(name) for name in NAMES] == [False] * 3
    assert switches.state(NOTIFICATIONS) == State()


async def test_an_unknown_name_is_an_error_and_not_off() -> None:
    with pytest.raises(KeyError):
        Switches(MemoryBoard()).is_on("disable-everything")


async def test_thrown_on_one_replica_it_is_on_at_the_others_after_their_next_look() -> None:
    board = MemoryBoard()
    here, there = Switches(board), Switches(board)
    state = await throw(here, INSIGHT_WRITES, on=True)
    assert state == State(on=True, reason="storm", since=NOW, by="admin:0a1b2c3d")
    assert here.is_on(INSIGHT_WRITES)
    assert not there.is_on(INSIGHT_WRITES)
    await there.refresh()
    assert there.state(INSIGHT_WRITES) == state
    assert not there.is_on(METRICS_COLLECTION)
    await throw(there, INSIGHT_WRITES, on=False)
    await here.refresh()
    assert not here.is_on(INSIGHT_WRITES)


async def test_thrown_twice_it_keeps_the_time_of_the_first() -> None:
    switches = Switches(MemoryBoard())
    await throw(switches, NOTIFICATIONS, on=True)
    assert (await throw(switches, NOTIFICATIONS, on=True, now=NOW + timedelta(hours=1))).since == NOW
    later = NOW + timedelta(hours=2)
    assert (await throw(switches, NOTIFICATIONS, on=False, now=later)).since == later


async def test_with_the_board_away_the_last_known_state_holds(caplog: pytest.LogCaptureFixture) -> None:
    board = MemoryBoard()
    switches = Switches(board)
    await throw(switches, INSIGHT_WRITES, on=True)
    board.away = True
    for _ in range(3):
        await switches.refresh()
    assert switches.is_on(INSIGHT_WRITES)
    assert caplog.text.count("stay as they are") == 1
    with pytest.raises(Problem) as caught:
        await throw(switches, INSIGHT_WRITES, on=False)
    assert caught.value.status == 503
    assert switches.is_on(INSIGHT_WRITES)


async def test_a_look_that_fails_does_not_end_the_following(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.admin.switches.EVERY_S", 0.0)

    class Broken(MemoryBoard):
        async def read(self) -> dict[str, bytes]:
            if "failed" not in caplog.text:
                raise RuntimeError
            return dict(self.states)

    board = Broken()
    await throw(Switches(board), INSIGHT_WRITES, on=True)
    switches = Switches(board)
    following = asyncio.create_task(switches.follow())
    async with asyncio.timeout(5):
        while not switches.is_on(INSIGHT_WRITES):  # noqa: ASYNC110  # a switch is no event
            await asyncio.sleep(0)
    following.cancel()


async def test_an_emptied_board_turns_all_off() -> None:
    board = MemoryBoard()
    switches = Switches(board)
    await throw(switches, INSIGHT_WRITES, on=True)
    board.states.clear()
    await switches.refresh()
    assert not switches.is_on(INSIGHT_WRITES)


@pytest.mark.parametrize(
    "raw", [b"on", b"{", b'{"on":1}', b'{"on":true,"since":"soon"}', b"\xff", b'{"on":true,"reason":"\xff"}']
)
async def test_an_entry_that_cannot_be_read_changes_nothing(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    board = MemoryBoard()
    switches = Switches(board)
    await throw(switches, INSIGHT_WRITES, on=True)
    board.states[INSIGHT_WRITES] = raw
    await switches.refresh()
    assert switches.is_on(INSIGHT_WRITES)
    assert "cannot be read" in caplog.text


async def test_what_was_read_before_a_throw_does_not_undo_it() -> None:
    board = MemoryBoard()
    switches = Switches(board)

    class Slow(MemoryBoard):
        async def read(self) -> dict[str, bytes]:
            before = dict(self.states)
            await throw(switches, INSIGHT_WRITES, on=True)
            return before

    switches._board = Slow()
    await switches.refresh()
    assert switches.is_on(INSIGHT_WRITES)


async def test_the_configuration_is_the_floor() -> None:
    board = MemoryBoard()
    await throw(Switches(board), INSIGHT_WRITES, on=False)
    switches = Switches(board, [INSIGHT_WRITES])
    await switches.refresh()
    assert switches.is_on(INSIGHT_WRITES)
    assert switches.state(INSIGHT_WRITES).by == "configuration"
    with pytest.raises(Problem) as caught:
        await throw(switches, INSIGHT_WRITES, on=False)
    assert caught.value.status == 409
    assert "pulumi config set amas:disableInsightWrites false" in caught.value.detail
    assert (await throw(switches, INSIGHT_WRITES, on=True)).by == "configuration"


async def test_every_change_is_logged_with_who_and_why(caplog: pytest.LogCaptureFixture) -> None:
    board = MemoryBoard()
    there = Switches(board)
    await throw(Switches(board), INSIGHT_WRITES, on=True)
    caplog.clear()
    await there.refresh()
    await there.refresh()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (vars(record)["switch"], vars(record)["by"]) == (INSIGHT_WRITES, "admin:0a1b2c3d")
