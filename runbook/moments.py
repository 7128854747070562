"""Times as the service writes them, and as people read them."""

from datetime import UTC, datetime


def moment(stamp: str) -> datetime:
    """`2024-12-03T10:15:00.000Z`. Raises ValueError."""
    found = datetime.fromisoformat(stamp)
    if found.tzinfo is None:
        raise ValueError(f"{stamp!r} says no offset")
    return found.astimezone(UTC)


def readable(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
