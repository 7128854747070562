"""Whoever asks over HTTP gets what the living store has, and takes nothing from the engine for it."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from service.alerts import place
from service.alerts.alert import Event
from service.alerts.book import Book
from service.alerts.desk import Changed, Desk
from service.alerts.shelf import Query
from service.alerts.testing import MemoryShelf, alert, event
from service.alerts.view import Sources, View

pytestmark = pytest.mark.anyio

QUERY = Query()


class Slow(MemoryShelf):
    """Over these connections no answer comes."""

    async def history(self, query: Query) -> list[Event]:
        await asyncio.Event().wait()
        return await super().history(query)


class Stand:
    """A desk, the view beside it, and another replica's desk on the same stores."""

    def __init__(self, through: MemoryShelf | None = None) -> None:
        self.at = 0.0
        self.database, self.ledger = MemoryShelf(), MemoryShelf()
        self.desk, self.other = (Desk(self.database, self.ledger, lambda: self.at) for _ in range(2))
        sources = Sources(through or self.database, self.ledger)
        self.view = View(self.desk, sources, lambda: self.at)

    async def fire(self, desk: Desk, number: int, events: Sequence[Event] = ()) -> None:
        one = alert(number)
        await desk.commit(
            lambda book: Changed(replace(book, alerts=book.alerts | {one.id: one}), events or [event(number)])
        )

    async def firing(self) -> list[str]:
        return sorted((await self.view.book()).alerts)


async def test_a_slow_history_does_not_take_the_database_from_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, "ANSWER_WITHIN_S", 0.001)
    stand = Stand(Slow())
    await stand.fire(stand.desk, 1)
    # From the copy in the queue, then.
    assert await stand.view.history(QUERY) == [event(1)]
    await stand.fire(stand.desk, 2)
    assert stand.desk.where == "database"
    assert len(stand.database.events) == 2
    assert await stand.ledger.owed() == []


async def test_what_another_replica_wrote_is_seen_at_once() -> None:
    stand = Stand()
    await stand.fire(stand.desk, 1)
    assert await stand.firing() == ["alert-0001"]
    await stand.fire(stand.other, 2)
    assert await stand.firing() == ["alert-0001", "alert-0002"]
    assert sorted(stand.desk.book.alerts) == ["alert-0001"]


async def test_with_the_database_away_the_queue_tells_and_else_the_desk() -> None:
    stand = Stand()
    await stand.fire(stand.desk, 1)
    stand.database.away = True
    await stand.fire(stand.other, 2)
    assert await stand.firing() == ["alert-0001", "alert-0002"]
    assert len(await stand.view.history(QUERY)) == 2
    stand.ledger.away = True
    await stand.fire(stand.desk, 3)
    assert await stand.firing() == sorted(stand.desk.book.alerts)
    assert event(3) in await stand.view.history(QUERY)


async def test_a_database_that_just_came_back_does_not_hide_what_the_desk_knows() -> None:
    stand = Stand()
    stand.database.away = True
    await stand.fire(stand.desk, 1)
    stand.database.away = False
    stand.at += 10
    assert await stand.firing() == ["alert-0001"]


async def test_a_book_is_read_again_only_when_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    await stand.fire(stand.desk, 1)
    await stand.view.book()

    async def read() -> None:
        raise AssertionError

    monkeypatch.setattr(stand.database, "read", read)
    assert await stand.firing() == ["alert-0001"]
    assert await stand.view.book() == replace(stand.desk.book)
    assert Book() != stand.desk.book
