"""Where the book is kept: the seam, the database and the queue's Redis. Twins are in testing.py."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from service.alerts import book as books
from service.alerts.alert import Alert, Event
from service.alerts.book import Book
from service.errors import StoreRefused, StoreUnavailable
from service.redisdb import Redis, translated

# The seed's bound on what is shown of the history; the database keeps all of it.
MOST_RECENT = 200
_BOOK = "amas:alerts:book"
_RECENT = "amas:alerts:recent"
_JOURNAL = "amas:alerts:journal"
# Merged into the database in portions of this many.
_PORTION = 500

# Compares and writes as one: of two writers that read the same revision one is told to read again.
_WRITE = """
local current = tonumber(redis.call('HGET', KEYS[1], 'revision') or '0')
if current ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'revision', current + 1, 'book', ARGV[2])
for at = 4, #ARGV do
    redis.call('LPUSH', KEYS[2], ARGV[at])
    if ARGV[3] == '1' then redis.call('XADD', KEYS[3], '*', 'event', ARGV[at]) end
end
redis.call('LTRIM', KEYS[2], 0, 199)
return 1
"""


class Kept(NamedTuple):
    """The book, and which writing of it this store has; every store counts for itself."""

    revision: int
    book: Book


class Query(NamedTuple):
    """Which part of the history; None takes any."""

    metric: str | None = None
    status: str | None = None
    severity: str | None = None
    limit: int = MOST_RECENT

    def takes(self, event: Event) -> bool:
        return (
            self.metric in (None, event.alert.metric)
            and self.status in (None, event.status)
            and self.severity in (None, str(event.alert.severity))
        )


class Shelf(Protocol):
    """Everything raises StoreUnavailable when nobody knows what became of it."""

    async def read(self) -> Kept: ...

    async def revision(self) -> int:
        """Cheap: tells whether the book has to be read again."""

    async def write(self, book: Book, expected: int, events: Sequence[Event], *, owed: bool) -> bool:
        """Book and events in one; False, and nothing written, when the revision is another by now.

        An event that is there already is left alone. `owed`: the database has yet to be given the events.
        """

    async def history(self, query: Query) -> list[Event]:
        """Newest first."""


class Ledger(Shelf, Protocol):
    """A shelf that also remembers what the database is owed."""

    async def owed(self) -> list[tuple[str, Event]]:
        """The oldest events that the database lacks, each with its place in the journal."""

    async def settled(self, places: Sequence[str]) -> None:
        """The database has these now."""


class Session(Protocol):
    """The part of db.Session that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class DatabaseShelf:
    """One row for the book, one for each event."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def read(self) -> Kept:
        rows = await self._asked("alert_book", {})
        return Kept(int(rows[0][0]), books.decode(rows[0][1])) if rows else Kept(0, Book())

    async def revision(self) -> int:
        rows = await self._asked("alert_revision", {})
        return int(rows[0][0]) if rows else 0

    async def write(
        self,
        book: Book,
        expected: int,
        events: Sequence[Event],
        *,
        owed: bool,
    ) -> bool:
        """It is the database itself, so that nothing is owed to it."""
        del owed
        text = msgspec.json.encode([_row(one) for one in events]).decode()
        parameters = {"book": _storable(books.encode(book)), "expected": expected, "events": _storable(text)}
        return bool(await self._asked("alert_write", parameters))

    async def history(self, query: Query) -> list[Event]:
        parameters = {"metric": query.metric, "status": query.status, "severity": query.severity}
        rows = await self._asked("alert_history", parameters | {"most": query.limit})
        return [
            Event(id=event_id, status=status, at=at, alert=msgspec.json.decode(alert, type=Alert))
            for event_id, status, alert, at in rows
        ]

    async def prune(self, most: int) -> int:
        """How many events were too old and are gone now; so many at most."""
        rows = await self._asked("prune_alert_history", {"most": most})
        return int(rows[0][0])

    async def _asked(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        try:
            return await self._session.rows(query, parameters)
        except StoreRefused as error:
            # Nothing here is a client's to correct.
            raise StoreUnavailable(f"the database refused the alerts: {error}") from error


class RedisLedger:
    """One hash for the book, a list of the newest events, and a stream of those the database lacks."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE)

    async def read(self) -> Kept:
        with translated():
            revision, text = await self._redis.hmget(_BOOK, ["revision", "book"])
        return Kept(int(revision), books.decode(text)) if revision and text else Kept(0, Book())

    async def revision(self) -> int:
        with translated():
            return int(await self._redis.hget(_BOOK, "revision") or 0)

    async def write(self, book: Book, expected: int, events: Sequence[Event], *, owed: bool) -> bool:
        arguments: list[bytes | int] = [
            expected,
            books.encode(book),
            int(owed),
            *(msgspec.json.encode(one) for one in events),
        ]
        with translated():
            return bool(await self._write(keys=[_BOOK, _RECENT, _JOURNAL], args=arguments))

    async def history(self, query: Query) -> list[Event]:
        with translated():
            texts = await self._redis.lrange(_RECENT, 0, MOST_RECENT - 1)
        return newest([msgspec.json.decode(text, type=Event) for text in texts], query)

    async def owed(self) -> list[tuple[str, Event]]:
        with translated():
            entries: Any = await self._redis.xrange(_JOURNAL, count=_PORTION)
        return [
            (place.decode(), msgspec.json.decode(fields[b"event"], type=Event)) for place, fields in entries
        ]

    async def settled(self, places: Sequence[str]) -> None:
        with translated():
            await self._redis.xdel(_JOURNAL, *places)


def newest(events: Sequence[Event], query: Query) -> list[Event]:
    """Each once: an event may have been written again when its first writing was in doubt."""
    once = {one.id: one for one in events if query.takes(one)}
    return sorted(once.values(), key=lambda one: (one.at, one.id), reverse=True)[: query.limit]


def _row(event: Event) -> dict[str, object]:
    alert = event.alert
    return {
        "event_id": event.id,
        "status": event.status,
        "at": event.at,
        "alert_id": alert.id,
        "rule_id": alert.rule_id,
        "metric": alert.metric,
        "severity": alert.severity,
        "alert": msgspec.Raw(msgspec.json.encode(alert)),
    }


def _storable(text: bytes | str) -> str:
    """PostgreSQL's jsonb has no NUL; none is taken in, so this only keeps one text from stopping all."""
    plain = text.decode() if isinstance(text, bytes) else text
    return plain.replace("\\u0000", " ")
