"""A run as it should be, to be spoilt by tests."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from loadtests import verdict
from loadtests.catalog import catalog
from loadtests.flow import Outcome
from loadtests.k6 import Ended
from loadtests.plan import Order, Plan, plan
from loadtests.summary import Result
from loadtests.verdict import Found
from loadtests.watch import Alert

AT = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)
ALERT = Alert("a", "queue.size", "high", "too many | wait")
ROWS = (
    ("throughput", "Throughput", "req/s", ">", 1000, 800),
    ("latency_p95", "P95 latency", "ms", "<", 200, 250),
    ("cache_hit_rate", "Cache hit rate", "percent", ">", 80, 60),
)
OBJECTIVES = [
    {"id": row_id, "name": name, "unit": unit, "operator": operator, "target": target,
     "alertThreshold": alert, "state": "no_data"}
    for row_id, name, unit, operator, target, alert in ROWS
]  # fmt: skip
ENDED = Ended(exit_code=0, elapsed_s=31.0, cpu_s=3.0, cpu_share=0.05, rss_bytes=1)
FOUND = Found(stored=70, drained_s=0.1, objectives_before=OBJECTIVES, objectives=OBJECTIVES, left=0)
RESULT = Result(
    requests=150, iterations=150, rate=5.0, p50_ms=3.0, p95_ms=8.0, p99_ms=12.0, most_ms=20.0,
    error_share=0.0, broken_share=0.0, hit_share=0.9, reads=5000, checks=150, checks_failed=0, dropped=0,
    late_p95_ms=1.0, posted=70, accepted=70,
)  # fmt: skip


def planned(profile: str = "smoke", **changed: float) -> Plan:
    order = Order("mixed", profile, "http://127.0.0.1:3000", **changed)  # type: ignore[arg-type]
    known = catalog()
    return plan(order, known, known.target("127.0.0.1"), "development", AT, "abc")


def outcome(
    folder: Path,
    *,
    profile: str = "smoke",
    result: Result | None = RESULT,
    ended: Ended = ENDED,
    found: Found = FOUND,
    errors: tuple[str, ...] = (),
) -> Outcome:
    made = planned(profile)
    ended = replace(ended, elapsed_s=max(ended.elapsed_s, made.duration_s + 1))
    return Outcome(
        plan=made,
        folder=folder,
        k6_version="2.2.0",
        ended=ended,
        result=result,
        found=found,
        verdict=verdict.judge(made, ended, result, errors, found),
        fingerprint={"cpu": "x", "k6": "2.2.0"},
        waived=(),
        told=(),
    )
