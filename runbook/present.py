"""What the service measures now: the values that alert rules are compared with, by the metric's name."""

from collections.abc import Mapping
from dataclasses import dataclass

from runbook.api import Answer

ROUTE = "/api/about/values"


@dataclass(frozen=True)
class Missing:
    """Why there is nothing to judge."""

    reason: str


@dataclass(frozen=True)
class Measured:
    """Over the metric's own window, of the whole cluster."""

    value: float
    samples: int


Present = Mapping[str, Measured]


def present_in(answer: Answer | Missing) -> Present | Missing:
    if isinstance(answer, Missing):
        return answer
    if answer.status != 200:
        return Missing(f"{ROUTE} answered {answer.status}")
    try:
        values = answer.json()["values"]
        return {name: Measured(float(one["value"]), int(one["samples"])) for name, one in values.items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        return Missing(f"{ROUTE} answered in another form: {answer.text[:80]!r}")
