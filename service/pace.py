"""How long a client may keep the service waiting. Pure: time and traffic are told to it."""

from dataclasses import dataclass
from typing import Literal

# What the client is waited for: the head of a request, the rest of it, that it takes its answer, that it
# takes the last bytes of a connection that is closed.
Phase = Literal["head", "body", "answer", "close"]
PHASES: tuple[Phase, ...] = ("head", "body", "answer", "close")
# And that it sends another request over a connection that is kept for it.
Awaited = Phase | Literal["idle"]


@dataclass(frozen=True)
class Limits:
    """Seconds for each phase; only those count in which it is the client who is waited for."""

    head_s: float = 10.0
    body_s: float = 30.0
    answer_s: float = 60.0
    close_s: float = 30.0
    # Longer than the load balancer keeps an idle connection, so that it is the one to close.
    idle_s: float = 75.0
    # From `body_grace_s` on a request has to come at least this fast, all of it so far taken together.
    body_grace_s: float = 5.0
    body_bytes_per_s: float = 4096.0


class Pace:
    """One connection. Looked at now and then from outside, so that a request costs nothing for it."""

    __slots__ = ("_phase", "_request", "_waited_s")

    def __init__(self) -> None:
        self._phase: Awaited | None = None
        self._request: object = None
        self._waited_s = 0.0

    def overdue(
        self, phase: Awaited | None, request: object, came_bytes: int, passed_s: float, limits: Limits
    ) -> bool:
        """Whether the client takes too long, `passed_s` after it was asked last.

        `phase` is None while the service itself is at work; `request` tells one request from another.
        """
        if phase is None:
            return False
        if phase != self._phase or request is not self._request:
            self._phase, self._request, self._waited_s = phase, request, 0.0
        self._waited_s += passed_s
        if phase == "body" and self._too_few(came_bytes, limits):
            return True
        allowed: float = getattr(limits, f"{phase}_s")
        return self._waited_s > allowed

    def _too_few(self, came_bytes: int, limits: Limits) -> bool:
        least = self._waited_s * limits.body_bytes_per_s
        return self._waited_s > limits.body_grace_s and came_bytes < least
