"""The alerts for whoever asks over HTTP, over connections that the engine does not need."""

from collections.abc import Callable
from typing import NamedTuple

from service.alerts.alert import Event
from service.alerts.book import Book
from service.alerts.desk import Desk, fresher
from service.alerts.place import Place
from service.alerts.shelf import Kept, Query, Shelf, newest
from service.errors import StoreUnavailable


class Sources(NamedTuple):
    """The stores once more, each over other connections than the desk's."""

    database: Shelf
    ledger: Shelf


class View:
    """However slow an answer gets here, the desk's stores do not rest for it, nor wait behind it."""

    def __init__(self, desk: Desk, sources: Sources, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._places = [Place[Shelf](one, clock) for one in sources]
        # The history has rests of its own: what is slow to search through is still quick to look up.
        self._archives = [Place[Shelf](one, clock) for one in sources]
        self._seen: dict[int, Kept] = {}

    async def book(self) -> Book:
        """As the store that lives has it, or as the desk does, which may know more."""
        for number, place in enumerate(self._places):
            try:
                kept = await self._kept(number, place)
            except StoreUnavailable:
                continue
            ours = self._desk.book
            return fresher(kept.book, ours) if kept.book.serial >= ours.serial else ours
        return self._desk.book

    async def history(self, query: Query) -> list[Event]:
        for place in self._archives:
            try:
                found = await place.ask(lambda shelf: shelf.history(query))
            except StoreUnavailable:
                continue
            return newest([*found, *self._desk.unsaved], query)
        return newest(self._desk.recent, query)

    async def _kept(self, number: int, place: Place[Shelf]) -> Kept:
        """Read only when it was written since."""
        revision = await place.ask(lambda shelf: shelf.revision())
        if number not in self._seen or self._seen[number].revision != revision:
            self._seen[number] = await place.ask(lambda shelf: shelf.read())
        return self._seen[number]
