"""The faults that are drilled: what is done, which alert has to tell, and by when all is well again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook.errors import UsageError

EVERYTHING = "all"


@dataclass(frozen=True)
class Fault:
    """`told_within_s` is the rule's own duration and what it takes to see and evaluate it.

    `may_fail_share` is the part of the posts that may go unacknowledged meanwhile: their senders know, and
    send them again.
    """

    name: str
    what: str
    part: str
    alert: str
    told_within_s: float
    recovered_within_s: float
    may_fail_share: float
    # Needs a receiver of notifications, which only a stack of the drill's own has.
    needs_receiver: bool = False


FAULTS = (
    # First: what fires a second time is told no sooner than its cooldown allows, and here it has to be told.
    Fault(
        "webhook",
        "the receiver of alerts refuses, while the cache is away so that there is something to tell",
        "cache",
        "webhook-failing",
        300,
        300,
        0.0,
        needs_receiver=True,
    ),
    Fault("db", "the database is killed and stays away", "db", "database-away", 90, 180, 1.0),
    Fault("cache", "the cache is killed and stays away", "cache", "cache-away", 120, 90, 0.0),
    Fault("queue", "the spool's Redis is killed and stays away", "queue", "spool-away", 120, 90, 0.0),
    Fault("replica", "one replica is killed and stays away", "api", "replica-missing", 300, 120, 0.01),
    Fault("disk", "the spool's space is used up by a ballast", "queue", "spool-nearly-full", 120, 60, 0.0),
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def chosen(name: str, *, has_receiver: bool) -> Sequence[Fault]:
    """One, or all that can be drilled there; raises UsageError."""
    if name == EVERYTHING:
        return [fault for fault in FAULTS if has_receiver or not fault.needs_receiver]
    fault = BY_NAME.get(name)
    if fault is None:
        raise UsageError(
            f"{name!r} is no drill; there are {', '.join(BY_NAME)} and {EVERYTHING}", "amas drill all"
        )
    if fault.needs_receiver and not has_receiver:
        raise UsageError(
            f"{name} needs a receiver of its own, so it is drilled on a stack of its own only",
            f"amas drill {name}",
        )
    return [fault]
