"""The in-memory spool keeps the contract; entries survive whatever is written into their fields."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.insights import spool, testing, testing_spool
from service.insights.decision import Decision
from service.insights.spool import Spooled, State, age_s, decision_of
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
