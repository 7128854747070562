"""The book in hand: read from the store that lives, changed by comparing, merged when the stores are back."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from service.alerts.alert import Event
from service.alerts.book import Book
from service.alerts.merge import merged
from service.alerts.place import Place
from service.alerts.shelf import MOST_RECENT, Ledger, Shelf
from service.errors import StoreUnavailable

# Writers that came between; each of them changed something.
MOST_TRIES = 8

Stored = TypeVar("Stored", bound=Shelf)

logger = logging.getLogger("AlertEngine")


class Contended(StoreUnavailable):
    """Others wrote each time."""


class Changed(NamedTuple):
    """What a change came to; with `write` False it stays in hand until something else is written."""

    book: Book
    events: Sequence[Event] = ()
    write: bool = True


class Desk:
    """One book, three places: the database, else the queue's Redis, else memory.

    A change is a pure function of the book. When somebody else wrote first it is computed again from what
    they wrote, so two leaders at once record each transition once.
    """

    def __init__(self, database: Shelf, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._database = Place(database, clock)
        self._ledger = Place(ledger, clock)
        self._journal = ledger
        self._turn = asyncio.Lock()
        self._recent: list[Event] = []
        # Events that no store has, and whether the book in hand says more than any store's.
        self._unsaved: list[Event] = []
        self._own = False
        # The database may lack what the journal or the book in hand says.
        self._journal_unread = True
        self._database_lacks = False
        self.book = Book()
        self.where = "memory"

    async def refresh(self) -> Book:
        """With what others wrote since; costs a number when they wrote nothing."""
        async with self._turn:
            await self._read()
            return self.book

    async def commit(self, change: Callable[[Book], Changed]) -> Book:
        """The changed book, after it was written where anything lives, else kept until something does.

        Raises Contended.
        """
        async with self._turn:
            for _ in range(MOST_TRIES):
                await self._read()
                changed = change(self.book)
                if not changed.write:
                    self.book = changed.book
                    return self.book
                if await self._wrote(replace(changed.book, serial=self.book.serial + 1), changed.events):
                    return self.book
            raise Contended("other replicas wrote the alerts each time")

    @property
    def recent(self) -> Sequence[Event]:
        """What this replica recorded last, whatever store has it."""
        return self._recent

    @property
    def unsaved(self) -> Sequence[Event]:
        return self._unsaved

    async def _read(self) -> None:
        for read, where in ((self._read_database, "database"), (self._read_ledger, "queue")):
            try:
                await read()
            except StoreUnavailable:
                self._journal_unread = self._journal_unread or where == "database"
                continue
            self.where = where
            return
        self.where = "memory"

    async def _read_database(self) -> None:
        revision = await self._database.ask(lambda shelf: shelf.revision())
        changed = revision != self._database.known
        if not (changed or self._journal_unread or self._own):
            return
        base, lacks, ends = self.book, self._database_lacks, list[Event]()
        if changed:
            kept = await self._database.ask(lambda shelf: shelf.read())
            self._database.known = kept.revision
            base, lacks = fresher(kept.book, self.book), False
            if self._own:
                (base, ends), lacks = merged(self.book, kept.book), True
        owed, unread = [], False
        if self._journal_unread:
            try:
                copy = await self._ledger.ask(lambda shelf: shelf.read())
                owed = await self._ledger.ask(lambda _: self._journal.owed())
                self._ledger.known = copy.revision
                if owed or copy.book.serial > base.serial:
                    base, more = merged(copy.book, base)
                    ends, lacks = [*ends, *more], True
            except StoreUnavailable:
                unread = True
                if self._database_lacks:
                    # What the queue told before it went away, this replica alone can tell the database.
                    base, more = merged(self.book, base)
                    ends, lacks = [*ends, *more], True
        if lacks or owed or self._unsaved:
            await self._settle(base, owed, ends)
        else:
            self.book = base
        self._journal_unread = unread or bool(owed)

    async def _settle(self, book: Book, owed: Sequence[tuple[str, Event]], ends: Sequence[Event]) -> None:
        """Give the database what it missed while it was away, and what ended by merging."""
        events = [*(event for _, event in owed), *self._unsaved, *ends]
        book = replace(book, serial=max(book.serial, self.book.serial) + 1)
        if not await self._to(self._database, book, events):
            self._database.known = None
            raise Contended("another replica merged the alerts at the same time")
        self._took(book, ends)
        self._unsaved, self._own, self._database_lacks = [], False, False
        if owed:
            logger.info("alerts were merged into the database", extra={"events": len(events)})
            await self._ledger.ask(lambda _: self._journal.settled([place for place, _ in owed]))
        await self._copy(book, ends)

    async def _read_ledger(self) -> None:
        revision = await self._ledger.ask(lambda shelf: shelf.revision())
        if revision == self._ledger.known:
            return
        kept = await self._ledger.ask(lambda shelf: shelf.read())
        self._ledger.known = kept.revision
        if self._own:
            book, ends = merged(self.book, kept.book)
            self._took(book, ends)
            self._unsaved.extend(ends)
        elif kept.book.serial >= self.book.serial:
            # An older copy, or none after its Redis came back empty, is overwritten by the next change.
            self.book = fresher(kept.book, self.book)
        self._database_lacks = True

    async def _wrote(self, book: Book, events: Sequence[Event]) -> bool:
        """False when somebody else wrote first."""
        if self.where == "database":
            try:
                if not await self._to(self._database, book, events):
                    return False
            except StoreUnavailable:
                # Perhaps it was written: then it is found there later, and merged by the same ids.
                self._journal_unread = True
            else:
                self._took(book, events)
                self._database_lacks = False
                await self._copy(book, events)
                return True
        self._database_lacks = True
        try:
            return await self._wrote_to_ledger(book, events)
        except StoreUnavailable:
            self._took(book, events)
            self._unsaved.extend(events)
            self._own, self.where = True, "memory"
            return True

    async def _wrote_to_ledger(self, book: Book, events: Sequence[Event]) -> bool:
        if self._ledger.known is None:
            await self._read_ledger()
            return False
        if not await self._to(self._ledger, book, [*self._unsaved, *events], owed=True):
            return False
        self._took(book, events)
        self._unsaved, self._own = [], False
        return True

    async def _copy(self, book: Book, events: Sequence[Event]) -> None:
        """For when the database is away; the copy is overwritten, whatever it was."""
        try:
            for _ in range(2):
                if self._ledger.known is not None and await self._to(self._ledger, book, events):
                    return
                self._ledger.known = await self._ledger.ask(lambda shelf: shelf.revision())
        except StoreUnavailable:
            # What it holds then is older; the serial tells.
            self._ledger.known = None

    async def _to(
        self, place: Place[Stored], book: Book, events: Sequence[Event], *, owed: bool = False
    ) -> bool:
        expected = place.known or 0
        written = await place.ask(lambda shelf: shelf.write(book, expected, events, owed=owed))
        if written:
            place.known = expected + 1
        return written

    def _took(self, book: Book, events: Sequence[Event]) -> None:
        self.book = book
        self._recent = [*self._recent, *events][-MOST_RECENT:]


def fresher(theirs: Book, ours: Book) -> Book:
    """Theirs, with the clocks of our evaluation where it is later and came to the same."""
    if theirs.evaluated_at >= ours.evaluated_at or theirs.alerts.keys() != ours.alerts.keys():
        return theirs
    if {key: one.status for key, one in theirs.states.items()} != {
        key: one.status for key, one in ours.states.items()
    }:
        return theirs
    return replace(theirs, states=ours.states, evaluated_at=ours.evaluated_at)
