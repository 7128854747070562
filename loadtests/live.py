"""What k6 tells while it runs: its REST answers as samples, and the line a person watches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from loadtests.plan import MEASURE, Plan

_STEP = re.compile(r"http_reqs\{step:step_(.+)\}")


@dataclass(frozen=True)
class Sample:
    """All since the start, at `elapsed_s`; the percentile is of the measured phase once that has begun."""

    elapsed_s: float
    requests: int
    failed_share: float
    mean_ms: float
    p95_ms: float
    users: int
    dropped: int
    # Of the generator itself.
    cpu_s: float = 0.0
    # The rate of the highest step that has requests.
    step: float | None = None


@dataclass(frozen=True)
class Interval:
    """Between two samples."""

    at_s: float
    rate: float
    failed_per_s: float
    mean_ms: float


def sample(answer: Mapping[str, Any], elapsed_s: float, cpu_s: float = 0.0) -> Sample:
    """From the body of k6's `GET /v1/metrics`; what has not happened yet is not in it."""
    found = {one["id"]: one["attributes"]["sample"] for one in answer["data"]}
    whole = found.get("http_req_duration", {})
    measured = found.get(f"http_req_duration{{phase:{MEASURE}}}") or whole
    return Sample(
        elapsed_s=elapsed_s,
        requests=int(found.get("http_reqs", {}).get("count", 0)),
        failed_share=found.get("http_req_failed", {}).get("rate", 0.0),
        mean_ms=whole.get("avg", 0.0),
        p95_ms=measured.get("p(95)", 0.0),
        users=int(found.get("vus", {}).get("value", 0)),
        dropped=int(found.get("dropped_iterations", {}).get("count", 0)),
        cpu_s=cpu_s,
        step=max(_steps(found), default=None),
    )


def _steps(found: Mapping[str, Mapping[str, float]]) -> Iterator[float]:
    for name, values in found.items():
        if (step := _STEP.fullmatch(name)) and values.get("count"):
            yield float(step[1])


def pairs(samples: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Each with the one after it, where time went by between them."""
    return [one for one in pairwise(samples) if one[1].elapsed_s > one[0].elapsed_s]


def intervals(samples: Sequence[Sample]) -> list[Interval]:
    return [_between(before, after) for before, after in pairs(samples)]


def _between(before: Sample, after: Sample) -> Interval:
    length_s = after.elapsed_s - before.elapsed_s
    requests = after.requests - before.requests
    failed = after.failed_share * after.requests - before.failed_share * before.requests
    spent_ms = after.mean_ms * after.requests - before.mean_ms * before.requests
    return Interval(
        at_s=after.elapsed_s,
        rate=requests / length_s,
        failed_per_s=max(0.0, failed) / length_s,
        mean_ms=max(0.0, spent_ms) / requests if requests > 0 else 0.0,
    )


def line(plan: Plan, samples: list[Sample]) -> str:
    """Fits 60 columns."""
    last = samples[-1]
    rate = intervals(samples[-6:])
    now = sum(one.rate for one in rate) / len(rate) if rate else 0.0
    left_s = max(0.0, plan.duration_s - last.elapsed_s)
    dropped = f", {last.dropped} dropped" if last.dropped else ""
    return (
        f"{last.elapsed_s:.0f} s: {now:.0f}/s, P95 {last.p95_ms:.0f} ms, "
        f"{100 * last.failed_share:.1f} % errors{dropped}, {left_s:.0f} s left"
    )
