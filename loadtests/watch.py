"""What the service tells while it is under load: alerts that fire, and how much waits."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from runbook.api import Answer
from runbook.errors import AmasError

EVERY_S = 2.0
# So many looks in a row without an answer: nobody can say that no alert fires.
MOST_UNANSWERED = 5
ACTIVE, HISTORY = "/api/alerts/active", "/api/alerts/history"
VALUES, OBJECTIVES = "/api/about/values", "/api/about/slo"
MONITORING = "/api/about/monitoring"


class Service(Protocol):
    """The part of runbook.api.Api that is used here."""

    def read(self, path: str, parameters: Mapping[str, str] | None = None) -> Answer: ...


@dataclass(frozen=True)
class Alert:
    """As the service tells of it."""

    id: str
    metric: str
    severity: str
    message: str

    def __str__(self) -> str:
        return f"{self.metric} ({self.severity}): {self.message}"


@dataclass
class Watch:
    """Looks every two seconds, in a thread of its own: an answer that waits does not hold up the run."""

    service: Service
    before: Sequence[Alert]
    most_queued: float = 0.0
    most_spooled: float = 0.0
    looks: int = 0
    unanswered: int = 0
    unanswered_in_a_row: int = 0
    _fired: dict[str, Alert] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="load test watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def is_blind(self) -> bool:
        return self.unanswered_in_a_row >= MOST_UNANSWERED

    @property
    def fired(self) -> list[Alert]:
        """Since the run began."""
        return list(self._fired.values())

    def look(self) -> None:
        known = {one.id for one in self.before}
        self._fired |= {one.id: one for one in active(self.service) if one.id not in known}
        values = values_of(self.service)
        self.most_queued = max(self.most_queued, values.get("queue.size", 0.0))
        self.most_spooled = max(self.most_spooled, values.get("spool.length", 0.0))

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self.looks += 1
            try:
                self.look()
            except (AmasError, LookupError, TypeError, ValueError, AttributeError):  # or of another shape
                self.unanswered += 1
                self.unanswered_in_a_row += 1
            else:
                self.unanswered_in_a_row = 0


def active(service: Service) -> list[Alert]:
    return [alert(one) for one in asked(service, ACTIVE)]


def fired_since(service: Service, begun: str) -> list[Alert]:
    """Also what has been resolved again. `begun` is a stamp of the service's own clock."""
    return [
        alert(one)
        for one in asked(service, HISTORY)
        if one["status"] == "firing" and str(one["occurredAt"]) >= begun
    ]


def values_of(service: Service) -> dict[str, float]:
    return {name: float(one["value"]) for name, one in asked(service, VALUES)["values"].items()}


def alert(one: Mapping[str, Any]) -> Alert:
    return Alert(str(one["id"]), str(one["metric"]), str(one["severity"]), str(one["message"]))


def asked(service: Service, path: str) -> Any:
    """Raises AmasError for anything but 200 and JSON."""
    answer = service.read(path)
    body = answer.json()
    if answer.status != 200 or body is None:
        raise AmasError(f"GET {path}: {answer.status} {answer.text[:200]}", "amas status")
    return body
