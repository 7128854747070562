"""A run's facts, as its summary.json holds them, as one row. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loadtests.verdict import HIGHEST

MOST_RELEASE = 64
MOST_GAVE_WAY = 200
UNKNOWN_RELEASE = "unknown"
_HIGHEST = re.compile(r"(?P<rate>[\d.]+)/s(?:; (?P<gave_way>.+)|, nothing gave way)")


@dataclass(frozen=True)
class LoadRun:
    """A row of load_runs."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    test: str
    profile: str
    release: str
    replicas: int
    verdict: str
    p95_ms: float | None = None
    p99_ms: float | None = None
    error_ratio: float | None = None
    requests_per_s: float | None = None
    highest_good_per_s: float | None = None
    gave_way: str | None = None


def row_of(facts: Mapping[str, Any], release: str) -> LoadRun:
    """Of a run that measured nothing there are no figures."""
    plan = facts["plan"]
    started_at = datetime.fromisoformat(plan["at"])
    result: Mapping[str, Any] = facts["result"] or {}
    if not result.get("requests"):
        result = {}
    rate, gave_way = highest_good(facts)
    return LoadRun(
        run_id=plan["runId"],
        started_at=started_at,
        finished_at=started_at + timedelta(seconds=float(facts["generator"]["elapsed_s"])),
        test=plan["test"],
        profile=plan["profile"],
        release=release[:MOST_RELEASE] or UNKNOWN_RELEASE,
        replicas=max(1, int(facts["fingerprint"]["replicas"])),
        verdict=facts["verdict"],
        p95_ms=_finite(result.get("p95_ms")),
        p99_ms=_finite(result.get("p99_ms")),
        error_ratio=_finite(result.get("error_share")),
        requests_per_s=_finite(result.get("rate")),
        highest_good_per_s=rate,
        gave_way=gave_way,
    )


def highest_good(facts: Mapping[str, Any]) -> tuple[float | None, str | None]:
    """Of a rising load: up to which rate all held, and what gave way then."""
    for check in facts["checks"]:
        if check["name"] == HIGHEST and (found := _HIGHEST.fullmatch(str(check["found"]))):
            gave_way = found["gave_way"]
            return float(found["rate"]), gave_way and gave_way[:MOST_GAVE_WAY]
    return None, None


def release_of(tag: str) -> str:
    """The version and the sources' hash: `0.1.0-7c0ab9483ea5` of `amas/service:0.1.0-7c0ab9483ea5`."""
    return tag.partition(":")[2] or UNKNOWN_RELEASE


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
