"""Splits a stream of bytes into lines without ever holding much more than one of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.errors import ServiceError


class TooManyBytes(ServiceError):
    """The stream is longer than allowed."""


@dataclass(frozen=True)
class Line:
    """One line without its end; `content` is None when it was too long to keep."""

    number: int
    content: bytes | None


async def split(parts: AsyncIterator[bytes], most_line_bytes: int, most_bytes: int) -> AsyncIterator[Line]:
    """Blank lines are counted but not given out; raises TooManyBytes after the lines before it."""
    number, total_bytes = 1, 0
    held = bytearray()
    overlong = False
    async for part in parts:
        total_bytes += len(part)
        if total_bytes > most_bytes:
            raise TooManyBytes(f"{most_bytes} bytes at most")
        *ended, rest = part.split(b"\n")
        for end in ended:
            held += end
            line = Line(
                number, None if overlong or len(held) > most_line_bytes else bytes(held).rstrip(b"\r")
            )
            if line.content is None or line.content.strip():
                yield line
            number, overlong = number + 1, False
            held.clear()
        held += rest
        if len(held) > most_line_bytes:
            overlong = True
            held.clear()
    if overlong or held.strip():
        yield Line(number, None if overlong else bytes(held).rstrip(b"\r"))
