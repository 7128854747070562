"""Cuts lines into requests: most in batches of mixed sizes, a share of them alone."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from runbook.traffic.line import Line

# Thirty-two of these at a time fit the write queue of a single replica.
LARGEST_BATCH = 200
# Well below what the service takes (8 MiB), well above what the load balancer buffers.
MOST_BATCH_BYTES = 1024 * 1024
ALONE_SHARE = 0.05
BLANK_LINE_SHARE = 0.01


@dataclass(frozen=True)
class Request:
    """`places` are the lines' numbers in the body, from 1: a blank line counts and gets no answer."""

    lines: tuple[Line, ...]
    places: tuple[int, ...]
    body: bytes
    single: bool


def in_waves(lines: Iterable[Line], seed: int) -> Iterator[Iterator[Request]]:
    """Each wave's requests; use a wave up before the next."""
    rng = random.Random(f"requests {seed}")  # noqa: S311 - variety, not secrecy
    for _, wave in groupby(lines, key=lambda line: line.wave):
        yield _cut(wave, rng)


def single(line: Line) -> Request:
    return Request((line,), (1,), line.raw, single=True)


def batch(lines: Iterable[Line], rng: random.Random | None = None) -> Request:
    """With `rng` some blank lines stand between."""
    taken = tuple(lines)
    parts: list[bytes] = []
    places: list[int] = []
    for line in taken:
        if rng and rng.random() < BLANK_LINE_SHARE:
            parts.append(rng.choice((b"", b"  ", b"\r")))
        parts.append(line.raw)
        places.append(len(parts))
    return Request(taken, tuple(places), b"\n".join(parts), single=False)


def _cut(lines: Iterable[Line], rng: random.Random) -> Iterator[Request]:
    held: list[Line] = []
    held_bytes, most = 0, rng.randint(1, LARGEST_BATCH)
    for line in lines:
        if line.alone or rng.random() < ALONE_SHARE:
            yield single(line)
            continue
        held.append(line)
        held_bytes += len(line.raw)
        if len(held) >= most or held_bytes >= MOST_BATCH_BYTES:
            yield batch(held, rng)
            held, held_bytes, most = [], 0, rng.randint(1, LARGEST_BATCH)
    if held:
        yield batch(held, rng)
