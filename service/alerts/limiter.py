"""How many messages a destination may be sent now: a bound over any minute, and a reserve within it."""

from collections.abc import Sequence
from itertools import takewhile

# A little over a minute: requests may travel at different speeds.
WINDOW_S = 61.0


def permits(sent_at: Sequence[float], now: float, most: int) -> int:
    """Messages that may go now, after those at `sent_at` (in order).

    Two thirds of a minute's share may go at once. The rest go evenly spaced, so that what becomes critical
    behind a burst waits for a quarter of a minute and not for a whole one.
    """
    used = sum(1 for _ in takewhile(lambda at: at > now - WINDOW_S, reversed(sent_at)))
    if used >= most:
        return 0
    burst = burst_of(most)
    if used < burst:
        return burst - used
    return int(now - sent_at[-1] >= WINDOW_S / (most - burst))


def burst_of(most: int) -> int:
    return max(1, most * 2 // 3)


def recent(sent_at: Sequence[float], now: float) -> list[float]:
    """Those that still count."""
    return [at for at in sent_at if at > now - WINDOW_S]


def share(most: int, replicas: int) -> int:
    """When every replica sends for itself: toward noise, never silence."""
    return max(1, most // max(1, replicas))
