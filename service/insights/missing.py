"""Ids that neither database nor spool held a moment ago: asked for again they cost the database nothing.

Kept in this process alone. A commit here takes its ids out before it is acknowledged, and a look-up that
a commit overtook is not remembered. A commit of another replica is not heard of, so the time is short,
and an id that was made just now is never remembered: it may be on its way through another replica.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.insights.decision import Decision

MOST_S = 2.0
FRESH = timedelta(minutes=15)
MOST_IDS = 10_000


@dataclass(eq=False)
class Look:
    """One question to the database under way."""

    overtaken: bool = False


class Missing:
    """Bounded; the ids remembered longest ago go first."""

    def __init__(
        self, clock: Callable[[], float], now: Callable[[], datetime], random: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._now = now
        self._random = random
        self._until: dict[str, float] = {}
        self._looks: dict[str, list[Look]] = {}

    def knows(self, decision_id: str) -> bool:
        """Whether it was missing within the last seconds."""
        until = self._until.get(decision_id)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._until[decision_id]
        return False

    @contextmanager
    def looking(self, decision_id: str) -> Iterator[Look]:
        """While the database is asked for it."""
        look = Look()
        self._looks.setdefault(decision_id, []).append(look)
        try:
            yield look
        finally:
            self._looks[decision_id].remove(look)
            if not self._looks[decision_id]:
                del self._looks[decision_id]

    def remember(self, decision_id: str, made_at: datetime | None, look: Look) -> None:
        """It was not there; `made_at` is the time inside the id, if it has one."""
        if look.overtaken or (made_at is not None and self._now() - made_at < FRESH):
            return
        self._until.pop(decision_id, None)
        if len(self._until) >= MOST_IDS:
            del self._until[next(iter(self._until))]
        self._until[decision_id] = self._clock() + MOST_S * (1 + self._random()) / 2

    def forget(self, decision_id: str) -> None:
        """It waits in the spool, and will be there."""
        self._until.pop(decision_id, None)

    def committed(self, decisions: Sequence[Decision]) -> None:
        """They are there now. Costs nothing while nobody asks for what is missing."""
        if not self._until and not self._looks:
            return
        for one in decisions:
            self._until.pop(one.decision_id, None)
            for look in self._looks.get(one.decision_id, ()):
                look.overtaken = True
