"""All that evaluation and notification go by, as one value: each change to it is written whole or not."""

import msgspec
from msgspec.structs import replace

from service.alerts.alert import Ack, Alert, Delivery
from service.alerts.limiter import is_past
from service.alerts.rule import State
from service.alerts.silence import Silence
from service.alerts.storm import lately

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
    # Firings of the last minute: when, and of which rule.
    fired: tuple[tuple[float, str], ...] = ()
    # Changes when the rules are to be read again by every replica.
    rules_mark: str = ""


def pruned(book: Book, now: float) -> Book:
    """Without what no longer counts."""
    return replace(
        book,
        delivered={key: at for key, at in book.delivered.items() if now - at < KEEP_S},
        silences={key: one for key, one in book.silences.items() if now - one.ends_at < KEEP_S},
        acks={alert_id: ack for alert_id, ack in book.acks.items() if alert_id in book.alerts},
        fired=tuple(one for one in book.fired if lately(one[0], now) and is_past(one[0], now)),
    )


def encode(book: Book) -> bytes:
    return msgspec.json.encode(book)


def decode(text: bytes | str) -> Book:
    """Fields that a newer service wrote are passed over."""
    return msgspec.json.decode(text, type=Book)
