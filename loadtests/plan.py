"""From a test, a profile and a target to all that k6 is told and all that will be judged. Pure."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from loadtests.catalog import AGAIN, Catalog, Hold, Limits, Profile, Target
from runbook.errors import UsageError

# A user of k6 is busy while its answer is awaited: so many are there for each request a second, and as many
# more come while the service stands still. Beyond that requests are dropped.
BUSY_S = 1.0
MOST_BUSY_S = 2.0
SPARE_USERS = 10
# How long k6 waits for the last answers.
GRACEFUL_S = 15.0
# Start, set-up and end of k6 itself.
GRACE_S = 60.0
# Errors are not judged before: the first seconds are few requests.
ABORT_AFTER_S = 10
# So many errors, and going on would only be a burden.
HOPELESS_SHARE = 0.5
WARMUP, MEASURE = "warmup", "measure"
TREND_STATS = ["count", "min", "avg", "med", "p(95)", "p(99)", "max"]


@dataclass(frozen=True)
class Order:
    """What is asked for; None leaves it to the profile."""

    test: str
    profile: str
    url: str
    duration_s: float | None = None
    rate: float | None = None
    users: int | None = None
    seed: int = 1


@dataclass(frozen=True)
class Scenario:
    """One part of a run, in k6's words; `rate` when it is steady."""

    name: str
    start_s: float
    duration_s: float
    requests: float
    options: Mapping[str, Any]
    rate: float | None = None


@dataclass(frozen=True)
class Plan:
    """One run, decided. No secret is in it."""

    run_id: str
    test: str
    profile: str
    model: str
    url: str
    target: str
    kind: str
    limits: Limits
    scenarios: tuple[Scenario, ...]
    most_rate: float
    users: int | None
    think_s: float
    seed: int
    at: datetime
    steps: tuple[float, ...] = ()

    @property
    def duration_s(self) -> float:
        return max(one.start_s + one.duration_s for one in self.scenarios)

    @property
    def measured(self) -> tuple[Scenario, ...]:
        return tuple(one for one in self.scenarios if one.name != WARMUP)

    @property
    def measured_s(self) -> float:
        return sum(one.duration_s for one in self.measured)

    @property
    def due(self) -> float | None:
        """Requests while it is measured; a closed model sends as many as are answered."""
        return None if self.users else sum(one.requests for one in self.measured)

    @property
    def wall_limit_s(self) -> float:
        return self.duration_s + GRACEFUL_S + GRACE_S

    def options(self) -> dict[str, Any]:
        """For k6."""
        return {
            "scenarios": {one.name: dict(one.options) for one in self.scenarios},
            "thresholds": thresholds(self),
            "summaryTrendStats": TREND_STATS,
            "userAgent": "amas-loadtest",
            "discardResponseBodies": False,
            "noUsageReport": True,
        }

    def facts(self) -> dict[str, Any]:
        """As it is kept beside the result."""
        return {
            "runId": self.run_id,
            "test": self.test,
            "profile": self.profile,
            "model": self.model,
            "url": self.url,
            "target": self.target,
            "kind": self.kind,
            "at": self.at.isoformat(),
            "duration_s": self.duration_s,
            "measured_s": self.measured_s,
            "mostRate": self.most_rate,
            "users": self.users,
            "due": self.due,
            "seed": self.seed,
            "limits": asdict(self.limits),
            "k6": self.options(),
        }


def plan(order: Order, catalog: Catalog, target: Target, kind: str, at: datetime, mark: str) -> Plan:
    """`kind` is what the service said it is; `mark` makes the run's id unique."""
    limits = catalog.limits(order.test, order.profile)
    profile = fitted(catalog.profile(order.profile), order)
    scenarios = tuple(_scenarios(profile))
    return Plan(
        run_id=f"loadtest-{at:%Y%m%dT%H%M%S}-{mark}",
        test=order.test,
        profile=profile.name,
        model=profile.model,
        url=order.url,
        target=target.name,
        kind=kind,
        limits=limits,
        scenarios=scenarios,
        most_rate=_most_rate(profile),
        users=profile.users,
        think_s=profile.think_s,
        seed=order.seed,
        at=at,
        steps=tuple(profile.steps.rates()) if profile.steps else (),
    )


def begun_at(run_id: str) -> datetime | None:
    """When the run of that id began; None for one that is no load test's."""
    found = re.fullmatch(r"loadtest-(\d{8}T\d{6})-[0-9a-f]+", run_id)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None


def fitted(profile: Profile, order: Order) -> Profile:
    """The profile at another height or length, its shape kept."""
    for option, value in (("duration", order.duration_s), ("rate", order.rate), ("concurrency", order.users)):
        if value is not None and not value > 0:
            raise UsageError(f"--{option} {value:g}: must be above 0", AGAIN)
    if profile.users:
        return _closed(profile, order)
    if order.users is not None:
        raise UsageError(
            f"--concurrency {order.users}: profile {profile.name!r} is an open model, which keeps its rate "
            "however many wait; give --rate, or --profile seed",
            AGAIN,
        )
    if profile.steps:
        return _stepped(profile, order)
    return _scaled(profile, order)


def _closed(profile: Profile, order: Order) -> Profile:
    if order.rate is not None:
        raise UsageError(f"--rate: profile {profile.name!r} is a closed model; give --concurrency", AGAIN)
    return replace(
        profile, users=order.users or profile.users, duration_s=order.duration_s or profile.duration_s
    )


def _stepped(profile: Profile, order: Order) -> Profile:
    """`rate` is the last step, `duration` that of each."""
    steps = profile.steps
    assert steps is not None  # noqa: S101 - asked by the caller
    last = order.rate or steps.last
    first = min(steps.first, last)
    return replace(
        profile, steps=replace(steps, first=first, last=last, each_s=order.duration_s or steps.each_s)
    )


def _scaled(profile: Profile, order: Order) -> Profile:
    height = (order.rate or _most_rate(profile)) / _most_rate(profile)
    length = 1.0
    if order.duration_s:
        length = order.duration_s / sum(one.duration_s for one in profile.measure)

    def scaled(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
        return tuple(Hold(one.rate * height, one.duration_s * min(length, 1.0)) for one in holds)

    longer = max(length, 1.0)
    measure = tuple(Hold(one.rate, one.duration_s * longer) for one in scaled(profile.measure))
    return replace(profile, warmup=scaled(profile.warmup), measure=measure)


def _most_rate(profile: Profile) -> float:
    if profile.users:
        return profile.users / profile.think_s if profile.think_s else math.inf
    if profile.steps:
        return max(profile.steps.rates())
    return max(one.rate for one in (*profile.warmup, *profile.measure))


def _scenarios(profile: Profile) -> Iterator[Scenario]:
    if profile.users:
        yield _users(profile.users, profile.duration_s)
        return
    if profile.steps:
        for number, rate in enumerate(profile.steps.rates()):
            start_s = number * profile.steps.each_s
            yield _steady(f"step_{rate:g}", Hold(rate, profile.steps.each_s), start_s)
        return
    before = sum(one.duration_s for one in profile.warmup)
    if profile.warmup:
        yield _ramp(WARMUP, profile.warmup, 0, 0)
    if len(profile.measure) == 1:
        yield _steady(MEASURE, profile.measure[0], before)
    else:
        came_at = profile.warmup[-1].rate if profile.warmup else profile.measure[0].rate
        yield _ramp(MEASURE, profile.measure, before, came_at)


def _users(users: int, duration_s: float) -> Scenario:
    options = {"executor": "constant-vus", "vus": users, "duration": _seconds(duration_s)}
    return _scenario(MEASURE, 0, duration_s, 0, options)


def _steady(name: str, hold: Hold, start_s: float) -> Scenario:
    """k6 takes whole numbers: the rate is given for as many seconds as make it one."""
    options = {
        "executor": "constant-arrival-rate",
        "rate": max(1, round(hold.rate * 1000)),
        "timeUnit": "1000s",
        "duration": _seconds(hold.duration_s),
        **_spare(hold.rate),
    }
    scenario = _scenario(name, start_s, hold.duration_s, hold.rate * hold.duration_s, options)
    return replace(scenario, rate=hold.rate)


def _ramp(name: str, holds: tuple[Hold, ...], start_s: float, came_at: float) -> Scenario:
    rates = [came_at, *(one.rate for one in holds)]
    requests = sum((rates[at] + one.rate) / 2 * one.duration_s for at, one in enumerate(holds))
    options = {
        "executor": "ramping-arrival-rate",
        "startRate": round(came_at * 1000),
        "timeUnit": "1000s",
        "stages": [{"target": round(one.rate * 1000), "duration": _seconds(one.duration_s)} for one in holds],
        **_spare(max(rates)),
    }
    return _scenario(name, start_s, sum(one.duration_s for one in holds), requests, options)


def _scenario(
    name: str, start_s: float, duration_s: float, requests: float, options: Mapping[str, Any]
) -> Scenario:
    phase = WARMUP if name == WARMUP else MEASURE
    common = {
        "startTime": _seconds(start_s),
        "gracefulStop": _seconds(GRACEFUL_S),
        "tags": {"phase": phase, "step": name},
    }
    return Scenario(name, start_s, duration_s, requests, {**options, **common})


def _spare(rate: float) -> dict[str, int]:
    return {
        "preAllocatedVUs": math.ceil(rate * BUSY_S) + SPARE_USERS,
        "maxVUs": math.ceil(rate * MOST_BUSY_S) + SPARE_USERS,
    }


def _seconds(length_s: float) -> str:
    return f"{round(length_s * 1000)}ms"


def thresholds(plan: Plan) -> dict[str, list[object]]:
    """k6's own, so that it stops what is hopeless; the verdict does not rest on them.

    Those that always hold are there for their figures: k6 tells of a tagged part only what a threshold names.
    """
    phase = f"{{phase:{MEASURE}}}"
    found: dict[str, list[object]] = {
        f"http_reqs{phase}": ["count>0"],
        f"http_req_duration{phase}": [f"p(95)<{plan.limits.p95_ms:g}", f"p(99)<{plan.limits.p99_ms:g}"],
        f"http_req_failed{phase}": [_aborting(f"rate<{max(HOPELESS_SHARE, plan.limits.error_share):g}")],
        f"answers_broken{phase}": ["rate>=0"],
        f"cache_hits{phase}": ["rate>=0"],
        f"checks{phase}": ["rate>=0"],
        f"dropped_iterations{{scenario:{MEASURE}}}": ["count>=0"],
        f"iterations{phase}": ["count>0"],
        f"generator_late{phase}": ["p(95)>=0"],
        "decisions_accepted": ["count>=0"],
        "decisions_posted": ["count>=0"],
    }
    for rate in plan.steps:
        step = f"{{step:step_{rate:g}}}"
        found[f"http_req_duration{step}"] = [_aborting(f"p(95)<{plan.limits.p95_ms:g}"), "p(99)>=0"]
        found[f"http_req_failed{step}"] = [_aborting(f"rate<{plan.limits.error_share:g}")]
        found[f"http_reqs{step}"] = ["count>=0"]
        found[f"dropped_iterations{{scenario:step_{rate:g}}}"] = [_aborting("count<1")]
    return found


def _aborting(threshold: str) -> dict[str, object]:
    return {"threshold": threshold, "abortOnFail": True, "delayAbortEval": f"{ABORT_AFTER_S}s"}
