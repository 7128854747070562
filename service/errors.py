"""What can go wrong, as a caller has to tell it apart.

ServiceError
 +- SettingsInvalid    the environment is wrong; lists every problem
 +- StoreUnavailable   a store did not answer or did not confirm; trying again makes sense
 |   +- StoreBusy      as many already wait for it as may
 +- StoreRefused       the database refuses this content; trying again does not
 +- Disconnected       the client went away while its body was read
 +- Problem            an answer of 4xx or 5xx, raised wherever it is known
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


class ServiceError(Exception):
    """Root of the errors this package raises on purpose."""


class SettingsInvalid(ServiceError):
    """Every problem of the environment, one line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class StoreUnavailable(ServiceError):
    """The outcome is unknown or nothing happened: never to be acknowledged."""


class StoreBusy(StoreUnavailable):
    """Nothing happened: as many already wait for the store as may."""


class StoreRefused(ServiceError):
    """The database refuses the content itself; `sqlstate` is of class 22, 23 or 54."""

    def __init__(self, sqlstate: str, reason: str) -> None:
        self.sqlstate = sqlstate
        self.reason = reason
        super().__init__(f"{sqlstate}: {reason}")


class Disconnected(ServiceError):
    """Nobody is left to answer."""


@dataclass(eq=False)
class Problem(ServiceError):
    """One answer in problem+json; `detail` names what came and what is allowed."""

    status: int
    title: str
    detail: str
    field: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    more: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"
