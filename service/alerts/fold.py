"""A receiver that is away for long: what began and ended meanwhile is told as one line for each rule."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec.structs import replace

from service.alerts.alert import Delivery
from service.alerts.book import Book

# What waits for one destination; beyond it the oldest that is over is put together.
MOST_WAITING = 2000


def folded(book: Book, now: float, most: int = MOST_WAITING) -> Book:
    """With `most` deliveries for each destination, as far as what is over can be put together."""
    if len(book.outbox) <= most:
        return book
    outbox, delivered = dict(book.outbox), dict(book.delivered)
    order = sorted(book.outbox.values(), key=lambda one: (one.destination, one.at, one.id))
    for _, waiting in groupby(order, key=lambda one: one.destination):
        for group in _foldable(list(waiting), most):
            for one in group:
                del outbox[one.id]
                # So that a copy of the book that was apart does not bring it back.
                delivered[one.id] = now
            kept = _as_one(group)
            outbox[kept.id] = kept
            del delivered[kept.id]
    return replace(book, outbox=outbox, delivered=delivered)


def _foldable(waiting: Sequence[Delivery], most: int) -> Iterable[Sequence[Delivery]]:
    """The oldest of each rule that are over and were not told, as many as there are too many."""
    too_many = len(waiting) - most
    groups: dict[str, list[Delivery]] = {}
    for one in waiting:
        if too_many <= 0:
            break
        if one.with_firing and not one.message_id:
            group = groups.setdefault(one.alert.rule_id, [])
            too_many -= bool(group)
            group.append(one)
    return [group for group in groups.values() if len(group) > 1]


def _as_one(group: Sequence[Delivery]) -> Delivery:
    """The last one, which speaks for all of them since the first began."""
    last = group[-1]
    return replace(
        last,
        times=sum(one.times for one in group),
        alert=replace(last.alert, fired_at=min(one.alert.fired_at for one in group)),
    )
