"""What the alerts remember of one another: firings, their history, and who is still to be told."""

from typing import Literal

import msgspec

from service.alerts.rule import Operator, Rule, Severity, Transition
from service.alerts.storm import Storm

Status = Literal["firing", "resolved"]


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One firing of a rule, as the rule was then; times are seconds since 1970."""

    id: str
    rule_id: str
    metric: str
    severity: Severity
    operator: Operator
    threshold: float
    value: float | None
    message: str
    fired_at: float
    labels: dict[str, str] = {}
    runbook: str = ""
    # The highest level of escalation that was told, and by which destinations.
    told: int = 0
    told_to: tuple[str, ...] = ()
    # What the others have in common, when it tells that there are too many.
    storm: Storm | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the history. The same transition has the same id wherever it is recorded."""

    id: str
    status: Status
    at: float
    alert: Alert


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing one destination is to be told; it leaves the outbox when the destination has taken it."""

    id: str
    destination: str
    status: Status
    level: int
    at: float
    alert: Alert
    # The end of a firing that was not told before: both are told by this one.
    with_firing: bool = False
    # Firings of the rule, with their ends, that this one speaks for.
    times: int = 1
    # The message that carries it, from before the first attempt until its outcome is known; who sends it,
    # and since when.
    message_id: str = ""
    claimed_by: str = ""
    claimed_at: float = 0.0
    # How often the destination turned down a message that named it.
    refusals: int = 0

    @property
    def waits_since(self) -> float:
        return self.alert.fired_at if self.with_firing else self.at


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks after this firing; it ends with the firing."""

    by: str
    at: float
    comment: str = ""


def begun(rule: Rule, transition: Transition) -> Alert:
    return Alert(
        id=transition.alert_id,
        rule_id=rule.id,
        metric=rule.metric,
        severity=rule.severity,
        operator=rule.operator,
        threshold=rule.threshold,
        value=transition.value,
        message=rule.message,
        fired_at=transition.fired_at,
        labels=rule.labels,
        runbook=rule.runbook,
    )


def event_of(alert: Alert, status: Status, at: float) -> Event:
    return Event(id=f"{alert.id}:{status}", status=status, at=at, alert=alert)
