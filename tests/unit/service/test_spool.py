"""The in-memory spool keeps the contract; entries survive whatever is written into their fields."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.errors import StoreUnavailable
from service.insights import spool, testing, testing_spool
from service.insights.decision import Decision
from service.insights.spool import (
    ANSWER_ENTRIES,
    FILL_S,
    Claimed,
    RedisSpool,
    Spooled,
    State,
    age_s,
    decision_of,
)
from service.insights.testing_spool import MemorySpool, MemoryStream, Pair

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("case", testing_spool.CONTRACT, ids=lambda case: case.__name__)
async def test_memory_spool_keeps_the_contract(case: Callable[[Pair], Awaitable[None]]) -> None:
    stream = MemoryStream()
    await case((MemorySpool(stream, "one"), MemorySpool(stream, "two")))


@given(
    decision_id=some.text(min_size=1, max_size=128).filter(lambda text: text.isprintable()),
    raw=some.binary(max_size=200),
    run_id=some.none() | some.text("abc-._1", min_size=1, max_size=64),
    received_at=some.datetimes(timezones=some.just(UTC)),
)
def test_an_entry_comes_out_as_it_went_in(
    decision_id: str, raw: bytes, run_id: str | None, received_at: datetime
) -> None:
    entry = Spooled(decision_id, raw, run_id, received_at)
    assert spool._spooled(spool._fields(entry)) == entry


@pytest.mark.parametrize(
    "changed", [{b"v": b"2"}, {b"at": b"nonsense"}, {b"id": b"\xff"}], ids=["later", "no time", "no text"]
)
def test_an_entry_of_another_form_is_told_apart(changed: dict[bytes, bytes]) -> None:
    fields = spool._fields(testing_spool.spooled("order:1"))
    claimed = spool._claimed((b"1-0", fields | changed), 1)
    assert claimed.spooled is None
    assert claimed.raw == fields[b"raw"]


def test_an_entry_without_anything_known_still_has_bytes_to_keep() -> None:
    claimed = spool._claimed((b"1-0", {b"what": b"ever"}), 1)
    assert (claimed.spooled, claimed.decision_id) == (None, "")
    assert b"ever" in claimed.raw


@pytest.mark.parametrize("kind", ["v7", "other"])
@pytest.mark.parametrize("waited_days", [0, 1, 400])
def test_the_row_does_not_depend_on_how_long_it_waited(kind: str, waited_days: int) -> None:
    now = datetime.now(UTC)
    decision_id = testing.uuid7(now) if kind == "v7" else f"order:{uuid.uuid4()}"
    fields = {} if kind == "v7" else {"occurredAt": now.isoformat()}
    raw = testing.raw_trace(decision_id, **fields)
    later = now + timedelta(days=waited_days)
    found = decision_of(Spooled(decision_id, raw, None, later))
    assert isinstance(found, Decision)
    assert found == testing.decision(decision_id, **fields)


def test_the_age_is_that_of_the_oldest_and_never_negative() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert age_s(State(1, now - timedelta(seconds=90), None), now) == 90
    assert age_s(State(1, now + timedelta(seconds=90), None), now) == 0
    assert age_s(State(0, None, None), now) == 0


@pytest.mark.parametrize("wrapped", [dict, list])
def test_a_read_of_the_group_is_understood_in_either_protocol(wrapped: type) -> None:
    entries = [(b"1-0", {b"v": b"1"})]
    answer = {b"amas:spool": [entries]} if wrapped is dict else [[b"amas:spool", entries]]
    assert spool._entries(answer) == entries
    assert spool._entries(None) == []


@dataclass
class Server:
    """As much of a Redis as claims and the room ask for; an answer of None is one that was cut."""

    answers: list[int | None] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=lambda: {"used_memory": 10, "maxmemory": 100})
    looks: int = 0

    async def xautoclaim(self, *_: object, **__: object) -> tuple[bytes, list[Any], list[Any]]:
        return b"0-0", [], []

    async def xreadgroup(self, _group: str, _consumer: str, _streams: object, count: int) -> Any:
        self.asked.append(count)
        came = self.answers.pop(0)
        if came is None:
            raise ConnectionResetError("cut")
        fields = spool._fields(testing_spool.spooled("order:1"))
        return {b"amas:spool": [[(b"%d-%d" % (len(self.asked), n), fields) for n in range(came)]]}

    async def info(self, _section: str) -> dict[str, int]:
        self.looks += 1
        return self.memory


def spool_of(server: Server, clock: Callable[[], float] = lambda: 0.0) -> RedisSpool:
    server_of: Any = server
    return RedisSpool(server_of, "one", clock=clock)


async def test_a_claim_comes_in_answers_of_which_none_is_large() -> None:
    server = Server([64, 63, 3])
    assert len(await spool_of(server).claim(130)) == 130
    assert max(server.asked) == ANSWER_ENTRIES
    assert sum(server.asked) == 130


async def test_what_came_before_an_answer_was_cut_is_kept_and_less_is_asked_for_then() -> None:
    server = Server([64, None, None, 16, 3])
    one = spool_of(server)
    assert len(await one.claim(500)) == 64
    with pytest.raises(StoreUnavailable):
        await one.claim(500)
    assert len(await one.claim(500)) == 19
    assert server.asked == [64, 63, 32, 16, 16]


async def test_the_room_is_asked_for_once_in_a_while_and_each_time_while_there_is_none() -> None:
    server, now = Server(), 0.0
    one = spool_of(server, lambda: now)
    for _ in range(3):
        await one._demand_room()
    assert server.looks == 1
    server.memory = {"used_memory": 90, "maxmemory": 100}
    now += FILL_S
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="90 % of its server's maxmemory"):
            await one._demand_room()
    assert server.looks == 4
    server.memory = {"used_memory": 89, "maxmemory": 100}
    await one._demand_room()
    server.memory = {"used_memory": 89, "maxmemory": 0}
    now += FILL_S
    await one._demand_room()


@pytest.mark.parametrize("answer", [{b"amas:spool": []}, [[b"amas:spool", []]], {}, []])
def test_a_read_of_the_group_may_bring_nothing(answer: object) -> None:
    assert spool._entries(answer) == []


def test_what_is_claimed_knows_its_entry_its_deliveries_and_its_trace() -> None:
    entry = testing_spool.spooled("order:1", "smoke-1")
    claimed = spool._claimed((b"1764-7", spool._fields(entry)), 3)
    assert claimed == Claimed("1764-7", 3, entry, "order:1", entry.raw)


def test_an_id_that_is_no_text_is_still_filed() -> None:
    assert spool._claimed((b"1-0", {b"id": b"order:\xff"}), 1).decision_id == "order:\ufffd"


def test_an_entry_was_added_when_its_id_says() -> None:
    added = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
    assert spool._added_at(f"{round(added.timestamp() * 1000)}-7".encode()) == added
