"""Ids as senders choose them: UUIDv7, which carry their time, and free ones of every sort."""

import random
from datetime import UTC, datetime, timedelta

FREE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
LONGEST = 128
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def milliseconds(when: datetime) -> int:
    return (when - EPOCH) // timedelta(milliseconds=1)


def uuid7(rng: random.Random, at_ms: int) -> str:
    tail = rng.getrandbits(74)
    return (
        f"{at_ms >> 16:08x}-{at_ms & 0xFFFF:04x}-7{tail >> 62:03x}"
        f"-{0x8000 | tail >> 48 & 0x3FFF:04x}-{tail & 0xFFFFFFFFFFFF:012x}"
    )


def uuid4(rng: random.Random) -> str:
    """A free id: it looks like the other UUIDs and carries no time."""
    tail = rng.getrandbits(122)
    return (
        f"{tail >> 90:08x}-{tail >> 74 & 0xFFFF:04x}-4{tail >> 62 & 0xFFF:03x}"
        f"-{0x8000 | tail >> 48 & 0x3FFF:04x}-{tail & 0xFFFFFFFFFFFF:012x}"
    )


def ulid(rng: random.Random, at_ms: int) -> str:
    value = at_ms << 80 | rng.getrandbits(80)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def free_id(rng: random.Random, tag: str, at_ms: int) -> str:
    """Unique by its random part or by the run's tag; one in ten is as long as an id may be."""
    draw = rng.random()
    if draw < 0.35:
        return uuid4(rng)
    if draw < 0.6:
        return ulid(rng, at_ms)
    if draw < 0.9:
        return f"decision:{tag}:{rng.getrandbits(48):x}"
    return longest_id(rng, tag)


def longest_id(rng: random.Random, tag: str) -> str:
    start = f"{tag}:{rng.getrandbits(48):x}."
    return start + "".join(rng.choices(FREE_CHARACTERS, k=LONGEST - len(start)))
