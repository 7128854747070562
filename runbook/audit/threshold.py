"""Thresholds that usage suggests, from percentiles of the kept intervals. Pure; writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

# A metric's column among the kept intervals.
COLUMNS = {
    "http.latency.p95": "p95_ms",
    "http.latency.p99": "p99_ms",
    "http.error_rate.5xx": "error_rate_percent",
    "cache.hit_rate": "cache_hit_rate_percent",
    "queue.size": "queue_rows",
    "process.cpu": "cpu_percent_most",
    "process.memory": "rss_megabytes_most",
    "event_loop.lag_ms": "event_loop_lag_ms_most",
}
# The order in which the statement gives them.
SHARES = (1, 50, 95, 99, 100)
# A proposal leaves so much room beyond what 99 of 100 intervals stayed within.
ROOM = 1.5
# A day of intervals at the usual 30 s: fewer propose nothing.
ENOUGH = 2_880
# A threshold further than this from usage would fire only long after users have noticed.
FAR = 10.0
# Percentages, which cannot be beyond this.
MOST_PERCENT = 100.0
PERCENTAGES = frozenset({"http.error_rate.5xx", "cache.hit_rate"})


@dataclass(frozen=True)
class Proposal:
    """`proposed` is None where usage suggests no other threshold; `seen` are percentiles by their share."""

    rule_id: str
    metric: str
    operator: str
    threshold: float
    intervals: int
    seen: Mapping[int, float]
    proposed: float | None
    reason: str


def proposals(rules: Sequence[Mapping[str, Any]], kept: Mapping[str, Any]) -> list[Proposal]:
    """Of the rules whose metric is kept; the others are judged by what they did."""
    return [_proposal(rule, kept) for rule in rules if rule["metric"] in COLUMNS]


def _proposal(rule: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    column = COLUMNS[rule["metric"]]
    percentiles = kept[column] or []
    seen = {
        share: float(value) for share, value in zip(SHARES, percentiles, strict=False) if value is not None
    }
    counted = int(kept.get(f"{column}_count", kept["intervals"]))
    proposed, reason = _judged(rule, seen, counted)
    return Proposal(
        rule_id=str(rule["id"]),
        metric=str(rule["metric"]),
        operator=str(rule["operator"]),
        threshold=float(rule["threshold"]),
        intervals=counted,
        seen=seen,
        proposed=proposed,
        reason=reason,
    )


def _judged(rule: Mapping[str, Any], seen: Mapping[int, float], intervals: int) -> tuple[float | None, str]:
    if intervals < ENOUGH or len(seen) < len(SHARES):
        return None, f"{intervals} intervals with a value; {ENOUGH} are needed"
    threshold, upward = float(rule["threshold"]), str(rule["operator"]).startswith(">")
    usual = seen[99] if upward else seen[1]
    beyond = usual >= threshold if upward else usual <= threshold
    if beyond:
        return _room(
            rule["metric"], usual, upward=upward
        ), "1 in 100 intervals is beyond it: it would be noise"
    if upward and usual > 0 and threshold > FAR * max(usual, seen[100] / ROOM):
        return _room(rule["metric"], max(usual, seen[100] / ROOM), upward=True), (
            f"more than {FAR:g} times what was ever seen: it would tell late"
        )
    return None, "fits what was seen"


def _room(metric: str, usual: float, *, upward: bool) -> float:
    """Two figures are enough, and nobody believes more."""
    value = rounded(usual * ROOM if upward else usual / ROOM)
    return min(value, MOST_PERCENT) if metric in PERCENTAGES else value


def rounded(value: float) -> float:
    """To two significant figures; 0 stays 0."""
    return 0.0 if value == 0 else round(value, 1 - floor(log10(abs(value))))
