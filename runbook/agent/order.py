"""The whole vocabulary. An order carries no image, mount, command or flag: there is no word for it. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

MOST_BYTES = 256
_ID = re.compile(r"[0-9a-f]{12,64}")


class Refused(Exception):
    """An order that is not in the vocabulary, or that the agent will not carry out now; says why."""


@dataclass(frozen=True)
class Look:
    """Tell which replicas there are."""


@dataclass(frozen=True)
class BurstUp:
    """One more replica, like those that are there."""


@dataclass(frozen=True)
class BurstDown:
    """One burst replica less; which one is the agent's to choose."""


@dataclass(frozen=True)
class Restart:
    """One replica of the stack, after telling what it looks like."""

    replica: str


Order = Look | BurstUp | BurstDown | Restart
_PLAIN: Mapping[str, Order] = {"look": Look(), "burst-up": BurstUp(), "burst-down": BurstDown()}
WORDS = (*_PLAIN, "restart")


def read(line: bytes) -> Order:
    """Raises Refused for anything but exactly one of the orders."""
    if len(line) > MOST_BYTES:
        raise Refused(f"an order has at most {MOST_BYTES} bytes")
    try:
        said = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refused("an order is one JSON object on one line") from None
    if not isinstance(said, dict):
        raise Refused("an order is one JSON object on one line")
    word = said.pop("do", None)
    if word not in WORDS:
        raise Refused(f"unknown order; known: {', '.join(WORDS)}")
    replica = said.pop("replica", None) if word == "restart" else None
    if said:
        raise Refused(f"unknown field {min(said)!r}: an order of `{word}` has no such field")
    return _restart(replica) if word == "restart" else _PLAIN[word]


def written(order: Order) -> bytes:
    """What `read` takes."""
    if isinstance(order, Restart):
        return _line({"do": "restart", "replica": order.replica})
    return _line({"do": next(word for word, one in _PLAIN.items() if one == order)})


def _restart(replica: object) -> Restart:
    if not isinstance(replica, str) or not _ID.fullmatch(replica):
        raise Refused("replica must be a container's id, 12 to 64 hexadecimal digits")
    return Restart(replica)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A key that is said twice would be read by one program as this and by another as that."""
    said = dict(pairs)
    if len(said) != len(pairs):
        raise ValueError("a key twice")
    return said


def _line(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
