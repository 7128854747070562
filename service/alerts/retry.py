"""When to try again what a receiver did not take."""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRIES = 3
FIRST_PAUSE_S = 1.0
# After the retries, until the receiver takes something again.
LATER_S = 20.0
LONGEST_S = 60.0
# A receiver that asks for more is asked again after so long all the same.
LONGEST_ASKED_S = 15 * 60.0


def pause_s(failures: int, asked_s: float | None, random: Callable[[], float]) -> float:
    """Until the next attempt, after so many in a row that failed; at least what the receiver asked for."""
    if failures <= RETRIES:
        backoff_s: float = FIRST_PAUSE_S * 2.0 ** (failures - 1)
    else:
        backoff_s = min(LATER_S * 2.0 ** min(failures - RETRIES - 1, 8), LONGEST_S)
    jittered_s = backoff_s * (0.5 + random() / 2)
    return max(jittered_s, min(asked_s or 0.0, LONGEST_ASKED_S))


def worth_retrying(status: int) -> bool:
    """Others say that this message will never be taken as it is."""
    return status >= 500 or status in (408, 429)


def asked_s(retry_after: str | None, now: float) -> float | None:
    """Seconds from now that a Retry-After asks for, whether it came as seconds or as a date."""
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - now)
