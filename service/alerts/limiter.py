"""How many messages a destination may be sent now: a bound over any minute, and a reserve within it."""

from collections.abc import Sequence

# A little over a minute: requests may travel at different speeds.
WINDOW_S = 61.0
# Clocks are no further apart; what is dated further ahead is from a clock that was put back since.
APART_S = 5.0


def permits(sent_at: Sequence[float], now: float, most: int) -> int:
    """Messages that may go now, after those at `sent_at`.

    Two thirds of a minute's share may go at once. The rest go evenly spaced, so that what becomes critical
    behind a burst waits for a quarter of a minute and not for a whole one.
    """
    counted = recent(sent_at, now)
    if len(counted) >= most:
        return 0
    burst = burst_of(most)
    if len(counted) < burst:
        return burst - len(counted)
    return int(now - max(counted) >= WINDOW_S / (most - burst))


def burst_of(most: int) -> int:
    return max(1, most * 2 // 3)


def recent(sent_at: Sequence[float], now: float) -> list[float]:
    """Those that still count. What lies ahead was noted before the clock went back, and is dropped."""
    return [at for at in sent_at if at > now - WINDOW_S and is_past(at, now)]


def is_past(at: float, now: float) -> bool:
    """Or as good as: the clocks of two replicas differ a little."""
    return at <= now + APART_S


def share(most: int, replicas: int) -> int:
    """When every replica sends for itself: toward noise, never silence."""
    return max(1, most // max(1, replicas))
