"""A load that goes up by steps: the highest rate that was good, and what gave way at the next. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.live import Sample
from loadtests.plan import Plan, Scenario
from loadtests.summary import Result, Step

# Above, the figures are not those of the load that was planned.
LEAST_ACHIEVED_SHARE = 0.99
MOST_CPU_SHARE = 0.8


@dataclass(frozen=True)
class Rise:
    """`rate` is 0 when not even the first step was good; `gave_way` is None when nothing did."""

    rate: float
    gave_way: str | None = None

    def __str__(self) -> str:
        return f"{self.rate:g}/s{f'; {self.gave_way}' if self.gave_way else ', nothing gave way'}"


def rise(plan: Plan, result: Result, samples: Sequence[Sample]) -> Rise:
    """The first step that broke a limit, was cut short, or starved the generator ends it."""
    scenarios = {one.rate: one for one in plan.scenarios}
    good = 0.0
    for step in result.steps:
        scenario = scenarios[step.rate]
        share = busy_share(scenario, samples)
        if share is not None and share > MOST_CPU_SHARE:
            return Rise(good, f"at {step.rate:g}/s: the load generator, {share:.0%} of its processors busy")
        if not _is_good(plan, scenario, step):
            return Rise(good, _told(step))
        good = step.rate
    return Rise(good)


def busy_share(scenario: Scenario, samples: Sequence[Sample]) -> float | None:
    """Of all processors that the generator may use, in this part; None where none of it was seen."""
    ends_s = scenario.start_s + scenario.duration_s
    within = [one for one in samples if scenario.start_s <= one.elapsed_s <= ends_s]
    if len(within) < 2:
        return None
    return (within[-1].busy_s - within[0].busy_s) / (within[-1].elapsed_s - within[0].elapsed_s)


def _is_good(plan: Plan, scenario: Scenario, step: Step) -> bool:
    limits = plan.limits
    return (
        step.p95_ms < limits.p95_ms
        and step.p99_ms < limits.p99_ms
        and step.error_share < limits.error_share
        and not step.dropped
        and step.requests >= LEAST_ACHIEVED_SHARE * scenario.requests - 1
    )


def _told(step: Step) -> str:
    return (
        f"at {step.rate:g}/s: P95 {step.p95_ms:.0f} ms, P99 {step.p99_ms:.0f} ms, "
        f"{step.error_share:.1%} errors, {step.dropped} dropped, of {step.requests:,} requests"
    )
