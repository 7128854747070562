"""Which deliveries go into the next message: one each while there is room, else many in one."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from service.alerts.alert import Delivery
from service.alerts.rule import Severity

# Turned down so often by name, it is told after all others: it may be what the receiver cannot take.
PATIENCE = 3

_URGENCY = {Severity.CRITICAL: 0, Severity.HIGH: 1, Severity.MEDIUM: 2, Severity.LOW: 3}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a destination; tried again it keeps its id, so that a receiver may know it again."""

    id: str
    deliveries: tuple[Delivery, ...]
    # Known from before the first attempt on whose outcome nobody learned.
    repeated: bool = False


def next_message(
    waiting: Iterable[Delivery], permits: int, *, recovering: bool, fits: Callable[[Sequence[Delivery]], int]
) -> Message | None:
    """What to send now, if anything, with so many messages allowed at once.

    `fits` says how many of these deliveries, from the first on, one message has room for. What was under
    way when its sender died goes first, as it was. A destination that failed last gets all in one.
    """
    if permits < 1:
        return None
    ordered = sorted(waiting, key=urgency)
    begun = next((one.message_id for one in ordered if one.message_id), None)
    if begun is not None:
        return Message(
            id=begun, deliveries=tuple(one for one in ordered if one.message_id == begun), repeated=True
        )
    if not ordered:
        return None
    single = len(ordered) <= permits or (permits > 1 and _fits_beside_one(ordered, permits, fits))
    if single and not (recovering and len(ordered) > 1):
        return message_of(ordered[:1])
    return message_of(ordered[: max(1, fits(ordered))])


def _fits_beside_one(
    ordered: Sequence[Delivery], permits: int, fits: Callable[[Sequence[Delivery]], int]
) -> bool:
    """What is most urgent gets a message to itself if the rest then still has room in those left."""
    if ordered[0].status == "firing" and ordered[0].alert.severity is not Severity.CRITICAL:
        return False
    left, rest = permits - 1, ordered[1:]
    while rest and left:
        rest, left = rest[max(1, fits(rest)) :], left - 1
    return not rest


def urgency(one: Delivery) -> tuple[bool, int, int, float, str]:
    """Ends and critical ones first, then by severity and age."""
    critical = one.alert.severity is Severity.CRITICAL
    first = 0 if critical or one.status == "resolved" else 1
    return one.refusals >= PATIENCE, first, _URGENCY[one.alert.severity], one.at, one.id


def message_of(deliveries: Sequence[Delivery]) -> Message:
    text = " ".join(f"{one.id} {one.refusals}" for one in deliveries)
    return Message(
        id="msg_" + hashlib.blake2s(text.encode(), digest_size=12).hexdigest(), deliveries=tuple(deliveries)
    )
