"""Two copies of the book that were written apart become one: nothing that either told is left open."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from service.alerts.alert import Alert, Delivery, Event, event_of
from service.alerts.book import Book, Channel
from service.alerts.round import delivery_of, firings
from service.alerts.silence import Silence, silenced


class Merged(NamedTuple):
    """The book, and the ends that follow from putting the two together."""

    book: Book
    events: list[Event]


def merged(one: Book, other: Book) -> Merged:
    """The later evaluation says what fires; what either side told or is to tell is kept, in either order.

    What only the older side knew to fire has ended: its receivers are told so, as of the later evaluation.
    """
    newer, older = sorted((one, other), key=lambda book: (book.evaluated_at, book.serial), reverse=True)
    delivered = older.delivered | newer.delivered
    acks = older.acks | newer.acks
    still = {key: told for key, told in older.outbox.items() if not _is_over(told, newer)}
    book = replace(
        newer,
        serial=max(one.serial, other.serial),
        outbox={key: told for key, told in (still | newer.outbox).items() if key not in delivered},
        channels=_merged_channels(one.channels, other.channels),
        delivered=delivered,
        acks={alert_id: ack for alert_id, ack in acks.items() if alert_id in newer.alerts},
        silences=_merged_silences(one.silences, other.silences),
        fired=tuple(sorted({*one.fired, *other.fired})),
        rules_mark=newer.rules_mark or older.rules_mark,
    )
    gone = [alert for alert_id, alert in older.alerts.items() if alert_id not in newer.alerts]
    ends = {end.id: end for alert in gone for end in _ends(alert, older, book)}
    events = [event_of(alert, "resolved", book.evaluated_at) for alert in gone if alert.told_to]
    return Merged(replace(book, outbox=ends | book.outbox), events)


def _is_over(told: Delivery, newer: Book) -> bool:
    """A firing that the later evaluation does not know, or no longer."""
    return told.status == "firing" and told.alert.id not in newer.alerts


def _ends(alert: Alert, older: Book, book: Book) -> Iterator[Delivery]:
    """For all that were told of it, or were to be; of one under way nobody knows, so its end tells both."""
    at = book.evaluated_at
    if silenced(alert, book.silences.values(), at):
        return
    for destination in alert.told_to:
        end = delivery_of(alert, "resolved", destination, alert.told, at)
        if end.id not in book.delivered:
            begun = set(firings(end))
            untold = not begun.isdisjoint(older.outbox) and begun.isdisjoint(book.delivered)
            yield replace(end, with_firing=untold)


def _merged_channels(one: Mapping[str, Channel], other: Mapping[str, Channel]) -> dict[str, Channel]:
    both = {}
    for name in {*one, *other}:
        a, b = one.get(name, Channel()), other.get(name, Channel())
        both[name] = Channel(
            sent_at=tuple(sorted({*a.sent_at, *b.sent_at})),
            failures=max(a.failures, b.failures),
            not_before=max(a.not_before, b.not_before),
            halvings=max(a.halvings, b.halvings),
        )
    return both


def _merged_silences(one: Mapping[str, Silence], other: Mapping[str, Silence]) -> dict[str, Silence]:
    """One that was taken back on either side is taken back."""
    both = dict(one)
    for key, silence in other.items():
        if key not in both or silence.ends_at < both[key].ends_at:
            both[key] = silence
    return both
