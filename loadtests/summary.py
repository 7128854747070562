"""k6's summary as a result: the only place that knows its shapes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.plan import MEASURE, Plan

PHASE = f"{{phase:{MEASURE}}}"


@dataclass(frozen=True)
class Step:
    """One rate of a run that goes up; only those that had requests."""

    rate: float
    requests: int
    p95_ms: float
    p99_ms: float
    error_share: float
    dropped: int


@dataclass(frozen=True)
class Result:
    """Of the measured phase alone, but for the decisions. Shares are None without samples."""

    requests: int
    iterations: int
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float
    error_share: float | None
    broken_share: float | None
    hit_share: float | None
    reads: int
    checks: int
    checks_failed: int
    dropped: int
    late_p95_ms: float | None
    posted: int
    accepted: int
    steps: tuple[Step, ...] = ()


def read(path: Path, plan: Plan) -> Result | None:
    """None when k6 left none, or none that can be read."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        return result(summary, plan)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def result(summary: Mapping[str, Any], plan: Plan) -> Result:
    metrics = _Metrics(summary["metrics"])
    requests = metrics.count(f"http_reqs{PHASE}")
    length_s = _measured_s(summary, plan)
    hits, reads = metrics.share(f"cache_hits{PHASE}")
    checks_passed, checks = metrics.share(f"checks{PHASE}")
    return Result(
        requests=requests,
        iterations=metrics.count(f"iterations{PHASE}"),
        rate=requests / length_s if length_s > 0 else 0.0,
        p50_ms=metrics.value(f"http_req_duration{PHASE}", "med"),
        p95_ms=metrics.value(f"http_req_duration{PHASE}", "p(95)"),
        p99_ms=metrics.value(f"http_req_duration{PHASE}", "p(99)"),
        most_ms=metrics.value(f"http_req_duration{PHASE}", "max"),
        error_share=metrics.share_or_none(f"http_req_failed{PHASE}"),
        broken_share=metrics.share_or_none(f"answers_broken{PHASE}"),
        hit_share=hits / reads if reads else None,
        reads=reads,
        checks=checks,
        checks_failed=checks - checks_passed,
        dropped=metrics.count(f"dropped_iterations{{scenario:{MEASURE}}}"),
        late_p95_ms=metrics.value_or_none(f"generator_late{PHASE}", "p(95)"),
        posted=metrics.count("decisions_posted"),
        accepted=metrics.count("decisions_accepted"),
        steps=tuple(step for rate in plan.steps if (step := _step(metrics, rate)).requests),
    )


def _measured_s(summary: Mapping[str, Any], plan: Plan) -> float:
    """What was measured of what was planned: a run may have been stopped."""
    before_s = min(one.start_s for one in plan.measured)
    ran_s = summary["state"]["testRunDurationMs"] / 1000 - before_s
    return float(min(plan.measured_s, ran_s))


def _step(metrics: "_Metrics", rate: float) -> Step:
    step = f"{{step:step_{rate:g}}}"
    return Step(
        rate=rate,
        requests=metrics.count(f"http_reqs{step}"),
        p95_ms=metrics.value(f"http_req_duration{step}", "p(95)"),
        p99_ms=metrics.value(f"http_req_duration{step}", "p(99)"),
        error_share=metrics.share_or_none(f"http_req_failed{step}") or 0.0,
        dropped=metrics.count(f"dropped_iterations{{scenario:step_{rate:g}}}"),
    )


@dataclass(frozen=True)
class _Metrics:
    """By name; one that k6 does not tell of had no samples."""

    all: Mapping[str, Any]

    def value(self, name: str, stat: str) -> float:
        return float(self._values(name).get(stat, 0.0))

    def value_or_none(self, name: str, stat: str) -> float | None:
        return self.value(name, stat) if self._values(name).get("count") else None

    def count(self, name: str) -> int:
        return int(self.value(name, "count"))

    def share(self, name: str) -> tuple[int, int]:
        """True ones, and all. For `http_req_failed` the true ones are those that failed."""
        values = self._values(name)
        passes, fails = int(values.get("passes", 0)), int(values.get("fails", 0))
        return passes, passes + fails

    def share_or_none(self, name: str) -> float | None:
        passes, whole = self.share(name)
        return passes / whole if whole else None

    def _values(self, name: str) -> Mapping[str, Any]:
        values: Mapping[str, Any] = self.all.get(name, {}).get("values", {})
        return values
