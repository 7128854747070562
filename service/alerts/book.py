"""All that evaluation and notification go by, as one value: each change to it is written whole or not."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from service.alerts.alert import Ack, Alert, Delivery
from service.alerts.limiter import recent
from service.alerts.rule import State
from service.alerts.silence import Silence

# For so long a delivery is known to have been made: copies that were apart are together again by then.
KEEP_S = 3600.0


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one destination has behaved."""

    # Attempts of the last minute, failed ones too.
    sent_at: tuple[float, ...] = ()
    # In a row.
    failures: int = 0
    not_before: float = 0.0
    # Each makes a message half as large: it was refused for what it is.
    halvings: int = 0


class Book(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`serial` grows with every write, whichever store took it."""

    serial: int = 0
    evaluated_at: float = 0.0
    # Only those that differ from one never evaluated.
    states: dict[str, State] = {}
    # Firing now, by alert id.
    alerts: dict[str, Alert] = {}
    outbox: dict[str, Delivery] = {}
    channels: dict[str, Channel] = {}
    # When those that are no longer in the outbox were delivered.
    delivered: dict[str, float] = {}
    acks: dict[str, Ack] = {}
    silences: dict[str, Silence] = {}
    # Firings of the last minute.
    fired_at: tuple[float, ...] = ()
    # Changes when the rules are to be read again by every replica.
    rules_mark: str = ""


def merged(one: Book, other: Book) -> Book:
    """Of two copies that were written apart: nothing that either knows is lost, whichever comes first."""
    newer, older = sorted((one, other), key=lambda book: (book.evaluated_at, book.serial), reverse=True)
    delivered = older.delivered | newer.delivered
    acks = older.acks | newer.acks
    return replace(
        newer,
        serial=max(one.serial, other.serial),
        outbox={
            key: delivery for key, delivery in (older.outbox | newer.outbox).items() if key not in delivered
        },
        channels=_merged_channels(one.channels, other.channels),
        delivered=delivered,
        acks={alert_id: ack for alert_id, ack in acks.items() if alert_id in newer.alerts},
        silences=_merged_silences(one.silences, other.silences),
        fired_at=tuple(sorted({*one.fired_at, *other.fired_at})),
        rules_mark=newer.rules_mark or older.rules_mark,
    )


def pruned(book: Book, now: float) -> Book:
    """Without what no longer counts."""
    return replace(
        book,
        delivered={key: at for key, at in book.delivered.items() if now - at < KEEP_S},
        silences={key: one for key, one in book.silences.items() if now - one.ends_at < KEEP_S},
        acks={alert_id: ack for alert_id, ack in book.acks.items() if alert_id in book.alerts},
        fired_at=tuple(recent(book.fired_at, now)),
    )


def encode(book: Book) -> bytes:
    return msgspec.json.encode(book)


def decode(text: bytes | str) -> Book:
    """Fields that a newer service wrote are passed over."""
    return msgspec.json.decode(text, type=Book)


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
