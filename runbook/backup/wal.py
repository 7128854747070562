"""Names of WAL segments: which are missing, and which the receiver still holds. Pure."""

import re
from collections.abc import Iterable

SEGMENT = re.compile(r"[0-9A-F]{24}")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
PARTIAL = ".partial"
# Of 16 MiB each, the size that initdb chooses.
SEGMENT_BYTES = 16 * 1024 * 1024
_IN_ONE_ID = 0x1_0000_0000 // SEGMENT_BYTES


def number(segment: str) -> int:
    """Its place in the WAL, which goes on across timelines."""
    return int(segment[8:16], 16) * _IN_ONE_ID + int(segment[16:24], 16)


def name(timeline: int, place: int) -> str:
    return f"{timeline:08X}{place // _IN_ONE_ID:08X}{place % _IN_ONE_ID:08X}"


def missing(held: Iterable[str], begin: str, end: str) -> list[str]:
    """What a restore from `begin` cannot do without: up to `end`, and no hole before the newest one held.

    A segment counts under any timeline: where one forks, the newer carries what the older one had.
    """
    places = {number(one) for one in held if SEGMENT.fullmatch(one)}
    last = max([number(end), *places])
    timeline = int(begin[:8], 16)
    return [name(timeline, place) for place in range(number(begin), last + 1) if place not in places]


def still_streaming(received: Iterable[str], restored: Iterable[str]) -> dict[str, str]:
    """From the receiver's folder, what the archive lacks: the file's name, and the one it gets in pg_wal.

    The newest is `.partial`, padded to its full size; the server reads it up to its last whole record.
    """
    there = set(restored)
    finals = {one: one.removesuffix(PARTIAL) for one in received}
    whole = {final for file, final in finals.items() if file == final}
    return {
        file: final
        for file, final in sorted(finals.items())
        if (SEGMENT.fullmatch(final) or HISTORY.fullmatch(final))
        and final not in there
        and (file == final or final not in whole)
    }
