"""The objectives: value, state and what is left of each error budget, from the windows of the cluster.

A budget is what the objective allows to go wrong within its window, and what is left of it is the share
not yet used, from 1 to 0:

- latency: of all requests, 5 % (P95) or 1 % (P99) may take longer than the target;
- error rate: 1 % of all requests may fail;
- cache hit rate: 20 % of all reads may miss;
- monitoring overhead: the target itself, of which the measured overhead uses a part;
- throughput: a floor allows nothing, so it is the part left of the way from the target to the alert.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.collector.snapshot import Measured
from service.collector.window import Window


@dataclass(frozen=True)
class Objective:
    """One row; `metric` is the sample that it judges."""

    row_id: str
    name: str
    metric: str
    unit: str
    operator: str
    target: float
    alert_threshold: float
    window: str = "5m"

    def row(self, measured: Measured | None, left: float | None, shown: Measured | None) -> dict[str, object]:
        """`shown` stands where nothing can be judged: then it is a value without a state."""
        value, samples = measured or shown or (None, 0)
        return {
            "id": self.row_id,
            "name": self.name,
            "value": None if value is None else round(value, 3),
            "unit": self.unit,
            "operator": self.operator,
            "target": self.target,
            "alertThreshold": self.alert_threshold,
            "window": self.window,
            "state": self.state(measured),
            "budgetLeft": None if measured is None or left is None else round(min(1.0, max(0.0, left)), 4),
            "samples": samples,
        }

    def state(self, measured: Measured | None) -> str:
        if measured is None:
            return "no_data"
        if self._beyond(measured[0], self.alert_threshold):
            return "breached"
        return "met" if self._holds(measured[0]) else "at_risk"

    def _holds(self, value: float) -> bool:
        return value < self.target if self.operator == "<" else value > self.target

    def _beyond(self, value: float, limit: float) -> bool:
        return value > limit if self.operator == "<" else value < limit


# Targets and thresholds of the runbook.
THROUGHPUT = Objective(
    "throughput", "Throughput", "http.throughput.under_demand", "req/s", ">", 1000, 800
)  # fmt: skip
P95 = Objective("latency_p95", "P95 latency", "http.latency.p95", "ms", "<", 200, 250)
P99 = Objective("latency_p99", "P99 latency", "http.latency.p99", "ms", "<", 500, 600)
ERROR_RATE = Objective("error_rate", "Error rate", "http.error_rate.5xx", "percent", "<", 1, 2)
OVERHEAD = Objective("monitoring_overhead", "Monitoring overhead", "monitoring.overhead", "ms", "<", 100, 150)
HIT_RATE = Objective("cache_hit_rate", "Cache hit rate", "cache.hit_rate", "percent", ">", 80, 60, "15m")
OBJECTIVES = (THROUGHPUT, P95, P99, ERROR_RATE, OVERHEAD, HIT_RATE)


def rows(values: Mapping[str, Measured], last_5: Window, last_15: Window) -> list[dict[str, object]]:
    """Throughput is judged only under demand: a quiet service misses no target. Its value is shown then."""
    left = budgets(values, last_5, last_15)
    return [
        one.row(
            values.get(one.metric),
            left.get(one.metric),
            values.get("http.throughput") if one is THROUGHPUT else None,
        )
        for one in OBJECTIVES
    ]


def budgets(values: Mapping[str, Measured], last_5: Window, last_15: Window) -> dict[str, float]:
    """What is left, by metric; may be below 0."""
    left: dict[str, float] = {}
    if THROUGHPUT.metric in values:
        reached = values[THROUGHPUT.metric][0]
        left[THROUGHPUT.metric] = (reached - THROUGHPUT.alert_threshold) / (
            THROUGHPUT.target - THROUGHPUT.alert_threshold
        )
    if last_5.requests:
        for row, allowed in ((P95, 0.05), (P99, 0.01)):
            slow = last_5.latencies.over(row.target / 1000) / last_5.requests
            left[row.metric] = 1 - slow / allowed
        left[ERROR_RATE.metric] = 1 - 100 * last_5.errors / last_5.requests / ERROR_RATE.target
    if OVERHEAD.metric in values:
        left[OVERHEAD.metric] = 1 - values[OVERHEAD.metric][0] / OVERHEAD.target
    reads = last_15.hits + last_15.misses
    if reads:
        left[HIT_RATE.metric] = 1 - 100 * last_15.misses / reads / (100 - HIT_RATE.target)
    return left
