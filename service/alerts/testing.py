"""Stores in memory for tests, and the contract that they and the real ones keep."""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from service.alerts.alert import Ack, Alert, Event, event_of
from service.alerts.alerting import Outside
from service.alerts.book import Book, decode, encode
from service.alerts.lease import Lease
from service.alerts.rule import Severity
from service.alerts.shelf import MOST_RECENT, Kept, Ledger, Query, Shelf, newest
from service.alerts.view import Sources
from service.errors import StoreUnavailable


class MemoryShelf:
    """As the database or the queue keeps it. `away` makes it fail; `doubtful` loses the word of a write."""

    def __init__(self) -> None:
        self.away = False
        self.doubtful = False
        self.events: dict[str, Event] = {}
        self._revision = 0
        self._text = encode(Book())
        self._journal: dict[str, Event] = {}
        self._places = 0

    async def read(self) -> Kept:
        self._answer()
        return Kept(self._revision, decode(self._text))

    async def revision(self) -> int:
        self._answer()
        return self._revision

    async def write(self, book: Book, expected: int, events: Sequence[Event], *, owed: bool) -> bool:
        self._answer()
        if expected != self._revision:
            return False
        self._revision += 1
        self._text = encode(book)
        for event in events:
            self.events.setdefault(event.id, event)
            if owed:
                self._places += 1
                self._journal[str(self._places)] = event
        if self.doubtful:
            raise StoreUnavailable("the answer was lost")
        return True

    async def history(self, query: Query) -> list[Event]:
        self._answer()
        return newest(list(self.events.values()), query)

    async def owed(self) -> list[tuple[str, Event]]:
        self._answer()
        return list(self._journal.items())

    async def settled(self, places: Sequence[str]) -> None:
        self._answer()
        for place in places:
            self._journal.pop(place, None)

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("gone")


class Floor:
    """What all holders of one lease share."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.away = False
        self.holder = ""
        self.until = 0.0


class MemoryLease:
    """One replica's hold on a floor."""

    def __init__(self, floor: Floor, holder: str, ttl_s: float) -> None:
        self._floor = floor
        self._holder = holder
        self._ttl_s = ttl_s

    async def take(self) -> bool:
        floor = self._floor
        if floor.away:
            raise StoreUnavailable("gone")
        now = floor.clock()
        if floor.holder not in ("", self._holder) and now < floor.until:
            return False
        floor.holder, floor.until = self._holder, now + self._ttl_s
        return True

    async def give_up(self) -> None:
        if self._floor.away:
            raise StoreUnavailable("gone")
        if self._floor.holder == self._holder:
            self._floor.holder = ""


def outside(
    database: MemoryShelf | None = None, ledger: MemoryShelf | None = None, floor: Floor | None = None
) -> Outside:
    """The outside of one replica; what is handed in may be another's too."""
    floor = floor or Floor(time.monotonic)

    async def holder() -> str | None:
        return floor.holder or None

    async def nothing() -> None:
        pass

    async def prune(_: int) -> int:
        return 0

    database, ledger = database or MemoryShelf(), ledger or MemoryShelf()
    lease = MemoryLease(floor, f"replica-{secrets.token_hex(3)}", 15.0)
    return Outside(database, ledger, Sources(database, ledger), lease, lease, nothing, holder, prune)


def alert(number: int = 1, **fields: object) -> Alert:
    """A firing that is like the others but for its number and what `fields` changes."""
    usual = Alert(
        id=f"alert-{number:04}",
        rule_id=f"rule-{number:04}",
        metric="http.latency.p99",
        severity=Severity.HIGH,
        operator=">",
        threshold=500.0,
        value=550.0,
        message="P99 exceeds 500 ms",
        fired_at=1_700_000_000.0 + number,
    )
    return replace(usual, **fields)


def event(number: int = 1, **fields: object) -> Event:
    one = alert(number, **fields)
    return event_of(one, "firing", one.fired_at)


def _expect(condition: bool, said: str) -> None:
    if not condition:
        raise AssertionError(said)


async def book_and_events_come_back(shelf: Shelf) -> None:
    first = await shelf.read()
    _expect(await shelf.revision() == first.revision, "the revision is another")
    book = Book(
        serial=3, evaluated_at=1.5, alerts={"alert-0001": alert()}, acks={"alert-0001": Ack(by="é", at=1.0)}
    )
    _expect(await shelf.write(book, first.revision, [event()], owed=False), "it was not written")
    _expect(await shelf.read() == Kept(first.revision + 1, book), "another book came back")
    _expect(await shelf.revision() == first.revision + 1, "the revision did not grow")
    _expect(await shelf.history(Query()) == [event()], "another event came back")


async def who_read_an_older_revision_writes_nothing(shelf: Shelf) -> None:
    start = await shelf.revision()
    _expect(await shelf.write(Book(serial=1), start, [], owed=False), "the first writes")
    _expect(not await shelf.write(Book(serial=9), start, [event(7)], owed=False), "the second must not")
    _expect((await shelf.read()).book.serial == 1, "the second wrote its book")
    _expect(await shelf.history(Query()) == [], "the second wrote its events")


async def the_same_event_is_kept_once(shelf: Shelf) -> None:
    start = await shelf.revision()
    await shelf.write(Book(serial=1), start, [event(1)], owed=False)
    await shelf.write(Book(serial=2), start + 1, [event(1), event(2)], owed=False)
    _expect(await shelf.history(Query()) == [event(2), event(1)], "not each of them once")


async def history_is_filtered_newest_first(shelf: Shelf) -> None:
    ended = event_of(alert(1), "resolved", 1_700_000_500.0)
    low = event(3, severity=Severity.LOW, metric="queue.size")
    await shelf.write(Book(serial=1), await shelf.revision(), [event(1), low, ended, event(2)], owed=False)
    _expect(await shelf.history(Query()) == [ended, low, event(2), event(1)], "not the newest first")
    _expect(await shelf.history(Query(metric="queue.size")) == [low], "by metric")
    _expect(await shelf.history(Query(status="resolved")) == [ended], "by status")
    _expect(await shelf.history(Query(severity="low")) == [low], "by severity")
    _expect(await shelf.history(Query(limit=2)) == [ended, low], "by number")
    _expect(len(await shelf.history(Query(limit=MOST_RECENT))) == 4, "all")


async def what_the_database_is_owed_stays_until_settled(ledger: Ledger) -> None:
    start = await ledger.revision()
    await ledger.write(Book(serial=1), start, [event(1)], owed=False)
    await ledger.write(Book(serial=2), start + 1, [event(2), event(3)], owed=True)
    owed = await ledger.owed()
    _expect([one for _, one in owed] == [event(2), event(3)], "owed is something else")
    await ledger.settled([place for place, _ in owed[:1]])
    _expect([one for _, one in await ledger.owed()] == [event(3)], "one was settled")


SHELF_CONTRACT: tuple[Callable[[Shelf], Awaitable[None]], ...] = (
    book_and_events_come_back,
    who_read_an_older_revision_writes_nothing,
    the_same_event_is_kept_once,
    history_is_filtered_newest_first,
)
LEDGER_CONTRACT: tuple[Callable[[Ledger], Awaitable[None]], ...] = (
    what_the_database_is_owed_stays_until_settled,
)


async def one_holds_it_and_keeps_it(one: Lease, other: Lease) -> None:
    _expect(await one.take(), "the first gets it")
    _expect(not await other.take(), "the second must wait")
    _expect(await one.take(), "the first renews")


async def given_up_it_is_free(one: Lease, other: Lease) -> None:
    await one.take()
    await other.give_up()
    _expect(not await other.take(), "nobody gives up another's")
    await one.give_up()
    _expect(await other.take(), "it is free")


LEASE_CONTRACT: tuple[Callable[[Lease, Lease], Awaitable[None]], ...] = (
    one_holds_it_and_keeps_it,
    given_up_it_is_free,
)
