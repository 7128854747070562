"""Lists by keyset: how many a page may hold, where the one before ended, and what a bad parameter is told."""

import base64
import binascii
from datetime import datetime

import msgspec

from service.errors import Problem

LONGEST_ID = 128


class Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Where the page before ended; opaque to clients."""

    before: datetime
    before_id: str


def limit_of(text: str | None, usual: int, most: int) -> int:
    """Raises Problem 400."""
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise bad("limit", f"must be a whole number from 1 to {most}", text)
    return int(text)


def read_cursor(text: str, longest_id: int = LONGEST_ID) -> Cursor:
    """Raises Problem 400."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        cursor = msgspec.json.decode(raw, type=Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise bad("cursor", "must be the nextCursor of an earlier page, unchanged", text) from None
    if cursor.before.tzinfo is None or "\0" in cursor.before_id or len(cursor.before_id) > longest_id:
        raise bad("cursor", "must be the nextCursor of an earlier page, unchanged", text)
    return cursor


def write_cursor(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def bad(name: str, allowed: str, came: str) -> Problem:
    return Problem(400, "Bad parameter", f"{name} {allowed}; it came as {came[:80]!r}", name)
