"""From what was planned, measured and found to passed, failed or invalid, with every reason. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from loadtests.generator import MOST_CPU_SHARE, shares_by_step
from loadtests.k6 import CROSSED, PASSED, Ended
from loadtests.live import Sample
from loadtests.plan import Plan
from loadtests.summary import Result, Step
from loadtests.watch import Alert

Word = Literal["passed", "failed", "invalid"]
State = Literal["ok", "failed", "invalid", "not judged"]

# Above, the figures are not those of the load that was planned.
MOST_DROPPED_SHARE = 0.001
LEAST_ACHIEVED_SHARE = 0.99
MOST_LATE_MS = 100.0
# Fewer reads than these are mostly the first of their kind.
READS_TO_JUDGE = 2_000
DRAIN_WITHIN_S = 30.0
MOST_CPU = f"<= {MOST_CPU_SHARE:.0%}"
HIGHEST = "highest good rate"
# The cache counts the run's own reads with all others; those are judged by themselves.
MIXED = ("cache_hit_rate",)


@dataclass(frozen=True)
class Found:
    """What the service says when the load is over. None: it could not be asked, and `unanswered` says why."""

    stored: int | None
    drained_s: float | None
    fired: Sequence[Alert] = ()
    objectives_before: Sequence[Mapping[str, Any]] = ()
    objectives: Sequence[Mapping[str, Any]] = ()
    most_queued: float = 0.0
    most_spooled: float = 0.0
    left: int | None = None
    unpurged: str | None = None
    unanswered: str | None = None


@dataclass(frozen=True)
class Check:
    """One line of the verdict."""

    name: str
    state: State
    found: str
    wanted: str


@dataclass(frozen=True)
class Verdict:
    """`invalid` goes before `failed`: what was not measured cannot have failed, nor passed."""

    checks: tuple[Check, ...]

    @property
    def word(self) -> Word:
        states = {one.state for one in self.checks}
        return "invalid" if "invalid" in states else "failed" if "failed" in states else "passed"

    @property
    def reasons(self) -> list[str]:
        return [
            f"{one.name}: {one.found}; wanted {one.wanted}"
            for one in self.checks
            if one.state in ("failed", "invalid")
        ]


def judge(
    plan: Plan, ended: Ended, result: Result | None, script_errors: Sequence[str], found: Found
) -> Verdict:
    checks = [*_of_the_run(plan, ended, script_errors, found)]
    if result is None:
        checks.append(Check("summary", "invalid", "k6 left none", "a summary"))
    else:
        checks += [*_of_the_measuring(plan, ended, result), *_of_the_limits(plan, result)]
        checks += _of_the_steps(plan, ended, result)
        checks += _of_the_decisions(result, found)
    return Verdict((*checks, *_of_the_service(found)))


def _of_the_run(plan: Plan, ended: Ended, script_errors: Sequence[str], found: Found) -> Iterator[Check]:
    if ended.stopped_because:
        # By an alert the service failed; by the limit of time or by hand nothing is known of it.
        because: State = "failed" if found.fired and not ended.interrupted else "invalid"
        yield Check("end", because, ended.stopped_because, f"to run for {plan.duration_s:g} s")
    else:
        state: State = "ok" if ended.exit_code in (PASSED, CROSSED) else "invalid"
        yield Check("end", state, f"k6 {ended.meaning}", "to end by itself")
    first = f", the first: {script_errors[0][:120]}" if script_errors else ""
    thrown: State = "invalid" if script_errors else "ok"
    yield Check("script errors", thrown, f"{len(script_errors)}{first}", "0")
    if not plan.steps:  # which are judged one by one
        share = ended.cpu_share
        yield _invalid_unless("generator's CPU", share <= MOST_CPU_SHARE, f"{share:.0%}", MOST_CPU)


def _of_the_measuring(plan: Plan, ended: Ended, result: Result) -> Iterator[Check]:
    yield _invalid_unless("requests measured", result.requests > 0, f"{result.requests}", "> 0")
    yield _invalid_unless("answers looked at", result.checks > 0, f"{result.checks}", "> 0")
    if plan.steps:
        return  # it goes up until something gives way
    yield _dropped(plan, result)
    if result.late_p95_ms is not None:
        yield _late(plan, result, result.late_p95_ms)
    if ended.elapsed_s < plan.duration_s:
        yield _cut(plan, ended, result)
    elif plan.due is not None:
        yield _achieved(plan.due, result)


def _cut(plan: Plan, ended: Ended, result: Result) -> Check:
    """k6 ends early what is hopeless, and then a limit is broken; with none broken the rest is unknown."""
    stopped = ended.stopped_because  # which has a line of its own
    broken = stopped or any(one.state == "failed" for one in _of_the_limits(plan, result))
    found, wanted = f"after {ended.elapsed_s:.0f} s", f"to run for {plan.duration_s:g} s"
    return Check("ended early", "not judged" if broken else "invalid", found, wanted)


def _late(plan: Plan, result: Result, late_ms: float) -> Check:
    """Each request that was dropped makes those after it look late by its share of a second."""
    rate = max(one.rate or 1.0 for one in plan.measured)
    surely_ms = max(0.0, late_ms - 1000 * result.dropped / rate)
    found, wanted = f"P95 {surely_ms:.0f} ms", f"<= {MOST_LATE_MS:.0f} ms"
    return _invalid_unless("generator's delay", surely_ms <= MOST_LATE_MS, found, wanted)


def _dropped(plan: Plan, result: Result) -> Check:
    """What was dropped would have waited longest: without it figures only look better than they are.

    So a limit that is broken all the same is broken, and one that is kept says nothing.
    """
    whole = result.iterations + result.dropped
    share = result.dropped / whole if whole else 0.0
    found, wanted = f"{result.dropped} ({share:.2%}): all users of k6 waited", f"<= {MOST_DROPPED_SHARE:.1%}"
    if share <= MOST_DROPPED_SHARE:
        return Check("requests dropped", "ok", f"{result.dropped}", wanted)
    broken = any(one.state == "failed" for one in _of_the_limits(plan, result))
    return Check("requests dropped", "failed" if broken else "invalid", found, wanted)


def _achieved(due: float, result: Result) -> Check:
    """Without those dropped, which have a line of their own."""
    sent = result.iterations + result.dropped
    share, wanted = sent / due, f">= {LEAST_ACHIEVED_SHARE:.0%} of {due:.0f}"
    told = f"{sent} ({share:.1%})"
    # One or two may fall to the other side of the last moment.
    return _invalid_unless("requests due", sent >= LEAST_ACHIEVED_SHARE * due - 1, told, wanted)


def _of_the_limits(plan: Plan, result: Result) -> Iterator[Check]:
    if plan.steps:
        return
    limits = plan.limits
    if result.requests:
        yield _below("P95 latency", result.p95_ms, limits.p95_ms, "ms")
        yield _below("P99 latency", result.p99_ms, limits.p99_ms, "ms")
    for name, share, limit in (
        ("error rate", result.error_share, limits.error_share),
        ("broken answers", result.broken_share, limits.broken_share),
    ):
        if share is not None:
            yield _below(name, 100 * share, 100 * limit, "%")
    if limits.hit_share is not None:
        yield _hits(limits.hit_share, result)


def _hits(least: float, result: Result) -> Check:
    wanted = f"> {least:.0%}"
    if result.hit_share is None or result.reads < READS_TO_JUDGE:
        return Check("cache hit rate", "not judged", f"{result.reads} reads are too few to tell", wanted)
    return _failed_unless("cache hit rate", result.hit_share > least, f"{result.hit_share:.1%}", wanted)


def good_rate(plan: Plan, result: Result) -> float:
    """The highest step that kept every limit to its end, with all below it."""
    good = 0.0
    for step in result.steps:
        if broken(plan, step):
            break
        good = step.rate
    return good


def broken(plan: Plan, step: Step) -> list[str]:
    """What was not kept in a step, in words, each with what it should have been."""
    limits, due = plan.limits, {one.rate: one.requests for one in plan.scenarios}[step.rate]
    found = [
        (step.p95_ms < limits.p95_ms, f"P95 was {step.p95_ms:.0f} ms (limit {limits.p95_ms:g} ms)"),
        (step.p99_ms < limits.p99_ms, f"P99 was {step.p99_ms:.0f} ms (limit {limits.p99_ms:g} ms)"),
        (
            step.error_share < limits.error_share,
            f"{step.error_share:.1%} failed (limit {limits.error_share:.1%})",
        ),
        (not step.dropped, f"{step.dropped:,} requests found no user of k6 free"),
        (step.requests >= LEAST_ACHIEVED_SHARE * due - 1, f"{step.requests:,} of {due:,.0f} requests came"),
    ]
    return [words for kept, words in found if not kept]


@dataclass(frozen=True)
class Reached:
    """By a rising load. `starved`: the step in which the generator gave way, when nothing else had.

    `cpu_share` is what it used in that one, else in the one in which it used most.
    """

    good: float
    starved: float | None = None
    cpu_share: float = 0.0

    def __str__(self) -> str:
        if self.starved is None:
            return f"{self.good:g}/s" if self.good else "none"
        return f"at least {self.good:g}/s" if self.good else "unknown"


def reached(plan: Plan, ended: Ended, result: Result) -> Reached:
    """A step counts only while the generator had time to spare: else the rate is the generator's."""
    good = good_rate(plan, result)
    shares = shares_by_step(_to_the_end(plan, ended, result), ended.cpus)
    seen = 0.0
    for step in result.steps:
        if (share := shares.get(step.rate, 0.0)) > MOST_CPU_SHARE:
            below = [one.rate for one in result.steps if one.rate < step.rate]
            return Reached(max(below, default=0.0), step.rate, share)
        seen = max(seen, share)
        if step.rate > good:
            break
    return Reached(good, cpu_share=seen)


def _to_the_end(plan: Plan, ended: Ended, result: Result) -> list[Sample]:
    """A step that k6 broke off is often over before it was looked at twice."""
    start = Sample(0.0, 0, 0.0, 0.0, 0.0, 0, 0)
    samples = [*ended.samples]
    last = result.steps[-1].rate if result.steps else None
    seen = samples[-1] if samples else start
    if ended.elapsed_s < plan.duration_s or seen.step != last:
        samples.append(replace(seen, elapsed_s=ended.elapsed_s, cpu_s=ended.cpu_s, step=last))
    return [start, *samples]


def _of_the_steps(plan: Plan, ended: Ended, result: Result) -> Iterator[Check]:
    if not plan.steps:
        return
    found = reached(plan, ended, result)
    if found.starved is None:
        yield Check("generator's CPU", "ok", f"at most {found.cpu_share:.0%} in a step", MOST_CPU)
        yield _highest(plan, result, found.good)
    else:
        told = f"{found.cpu_share:.0%} at {found.starved:g}/s: the generator gave way, not the service"
        yield Check("generator's CPU", "invalid", told, MOST_CPU)
        yield Check(HIGHEST, "not judged", str(found), "a rate")


def _highest(plan: Plan, result: Result, good: float) -> Check:
    above = next((one for one in result.steps if one.rate > good), None)
    what = f"at {above.rate:g}/s {', '.join(broken(plan, above))}" if above else "nothing gave way"
    if not good:
        found = f"none: {what}" if above else "none"
        return Check(HIGHEST, "failed", found, f"at least {plan.steps[0]:g}/s")
    return Check(HIGHEST, "ok", f"{good:g}/s{'; ' if above else ', '}{what}", "a rate")


def _of_the_decisions(result: Result, found: Found) -> Iterator[Check]:
    """What was answered with 2xx is stored; of what got no such answer, some may be."""
    wanted = f"{result.accepted:,} accepted"
    if result.posted > result.accepted:
        wanted += f", at most {result.posted:,} posted"
    if found.stored is None:
        yield Check("decisions stored", "invalid", found.unanswered or "no answer", wanted)
        return
    held = result.accepted <= found.stored <= result.posted
    yield _failed_unless("decisions stored", held, f"{found.stored:,}", wanted)
    if found.drained_s is None:
        yield Check("drained", "failed", "not yet", f"within {DRAIN_WITHIN_S:g} s")
    else:
        yield Check("drained", "ok", f"{found.drained_s:.1f} s later", f"within {DRAIN_WITHIN_S:g} s")


def _of_the_service(found: Found) -> Iterator[Check]:
    if found.unanswered and found.stored is not None:
        yield Check("service asked", "invalid", found.unanswered, "an answer")
    fired = "; ".join(map(str, found.fired)) or "none"
    yield _failed_unless("alerts fired", not found.fired, fired, "none")
    before = {row["id"]: row["state"] for row in found.objectives_before}
    breached = [
        str(row["name"])
        for row in found.objectives
        if row["id"] not in MIXED and row["state"] == "breached" and before.get(row["id"]) != "breached"
    ]
    told = ", ".join(breached) or "none breached by it"
    yield _failed_unless("objectives of other traffic", not breached, told, "none breached by it")
    if found.unpurged:
        yield Check("rows left after the purge", "failed", f"unknown: {found.unpurged}", "0")
    elif found.left is not None:
        yield _failed_unless("rows left after the purge", found.left == 0, f"{found.left:,}", "0")


def _below(name: str, value: float, limit: float, unit: str) -> Check:
    """A limit of 0 is kept by 0 alone."""
    holds = value < limit or value == limit == 0
    return _failed_unless(name, holds, f"{value:.4g} {unit}", f"{'<' if limit else '='} {limit:g} {unit}")


def _failed_unless(name: str, holds: bool, found: str, wanted: str) -> Check:
    return Check(name, "ok" if holds else "failed", found, wanted)


def _invalid_unless(name: str, holds: bool, found: str, wanted: str) -> Check:
    return Check(name, "ok" if holds else "invalid", found, wanted)
