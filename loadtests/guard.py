"""Whether a run may be sent to where it would go: a plan and what is so, to the reasons against it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from loadtests.catalog import TOLD, Rules, Target
from loadtests.plan import Plan
from runbook.errors import UsageError

PRODUCTION = "production"


@dataclass(frozen=True)
class Needed:
    """What k6 itself makes of the plan."""

    users: int
    duration_s: float


@dataclass(frozen=True)
class Situation:
    """What is so at this moment.

    `environment` is the service's own word; `passed_users` the most of a closed run that passed at this
    target within a day.
    """

    now: datetime
    environment: str
    needed: Needed
    active_alerts: Sequence[str] = ()
    passed_users: int = 0


def refuse(plan: Plan, target: Target, rules: Rules, situation: Situation, override: str | None) -> list[str]:
    """Raises UsageError with every reason; returns those that an override set aside."""
    if override is not None and override != target.name:
        raise UsageError(
            f"--override {override!r} is not the target's name, {target.name!r}: nothing was sent",
            "amas loadtest plan --help",
        )
    final = list(_final(plan, target, rules, situation))
    waivable = list(_waivable(plan, rules, situation))
    if final or (waivable and override is None):
        raise UsageError("\n".join(["refused: nothing was sent", *final, *waivable]), "amas loadtest list")
    return waivable


def _final(plan: Plan, target: Target, rules: Rules, situation: Situation) -> Iterator[str]:
    if target.kind not in (TOLD, situation.environment):
        yield f"{plan.url} says it is {situation.environment!r}; target {target.name!r} is {target.kind!r}"
    if rules.profiles and plan.profile not in rules.profiles:
        yield f"profile {plan.profile!r}: {plan.kind} takes only {', '.join(rules.profiles)}"
    if plan.users is None and plan.most_rate > rules.most_rate:
        yield f"{plan.most_rate:g} requests a second: {plan.kind} takes {rules.most_rate:g} at most"
    users = max(plan.users or 0, situation.needed.users)
    if users > rules.most_users:
        yield f"{users} users: {plan.kind} takes {rules.most_users} at most"
    if plan.duration_s > rules.most_duration_s:
        yield f"{plan.duration_s:g} s: {plan.kind} takes {rules.most_duration_s:g} s at most"
    if situation.needed.duration_s > plan.wall_limit_s:
        yield f"k6 would take {situation.needed.duration_s:g} s, beyond the limit of {plan.wall_limit_s:g} s"


def _waivable(plan: Plan, rules: Rules, situation: Situation) -> Iterator[str]:
    if rules.window and not within(rules.window, local(situation.now, rules)):
        begin, end = (f"{one:%H:%M}" for one in rules.window)
        here = local(situation.now, rules)
        yield f"it is {here:%H:%M}: {plan.kind} is tested from {begin} to {end} only, its low-traffic window"
    first = rules.first_users
    if first and plan.users and plan.users > first and situation.passed_users < first:
        yield f"{plan.users} users: start with {first}, and go up when that has passed"
    if plan.kind == PRODUCTION and situation.active_alerts:
        yield f"alerts are firing: {', '.join(situation.active_alerts)}"


def local(now: datetime, rules: Rules) -> time:
    return now.astimezone(rules.timezone).time()


def within(window: tuple[time, time], now: time) -> bool:
    """A window may go over midnight."""
    begin, end = window
    return begin <= now < end if begin < end else now >= begin or now < end
