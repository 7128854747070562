"""What the cache's Redis tells of itself, and whether it does its work. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runbook.errors import CheckFailed

# The objective and its alert, in percent of reads answered by the cache.
TARGET_PERCENT = 80.0
ALERT_PERCENT = 60.0
# Of the rule slo-cache-hit-rate: fewer say nothing.
LEAST_READS = 100
FULL_SHARE = 0.9


@dataclass(frozen=True)
class CacheState:
    """From INFO; counts are since the server began."""

    keys: int
    used_bytes: int
    most_bytes: int
    hits: int
    misses: int
    evicted: int
    expired: int
    clients: int
    uptime_s: int

    @property
    def fill(self) -> float:
        return self.used_bytes / self.most_bytes if self.most_bytes else 0.0

    @property
    def hit_percent(self) -> float | None:
        """Of all lookups, those of lists and tokens among them."""
        asked = self.hits + self.misses
        return 100 * self.hits / asked if asked else None


def state_of(info: str) -> CacheState:
    """Of the text of INFO; CheckFailed when it is something else, such as a refusal."""
    told = dict(re.findall(r"^(\w+):([^\r\n]*)", info, re.MULTILINE))
    if "used_memory" not in told:
        raise CheckFailed(f"the cache does not answer INFO: {info.strip()[:200]}", "amas logs cache")
    keys = re.search(r"keys=(\d+)", told.get("db0", ""))
    return CacheState(
        keys=int(keys[1]) if keys else 0,
        used_bytes=_count(told, "used_memory"),
        most_bytes=_count(told, "maxmemory"),
        hits=_count(told, "keyspace_hits"),
        misses=_count(told, "keyspace_misses"),
        evicted=_count(told, "evicted_keys"),
        expired=_count(told, "expired_keys"),
        clients=_count(told, "connected_clients"),
        uptime_s=_count(told, "uptime_in_seconds"),
    )


def verdict(hit_rate_percent: float | None) -> str:
    """`hit_rate_percent`: of the service's reads in the last 15 minutes; None with too few."""
    if hit_rate_percent is None:
        return "unknown"
    if hit_rate_percent < ALERT_PERCENT:
        return "failed"
    return "ok" if hit_rate_percent > TARGET_PERCENT else "at risk"


def proposals(state: CacheState, hit_rate_percent: float | None, memory_mb: int) -> list[str]:
    """What would raise the hit rate, as commands; none while it is met."""
    if verdict(hit_rate_percent) not in {"failed", "at risk"}:
        return []
    if state.evicted and state.fill > FULL_SHARE:
        return [f"./scripts/up --config cacheMemoryMb={2 * memory_mb}"]
    if state.expired > state.misses / 2:
        # Room is left, and what is asked again comes too late for the time it stays.
        return ["./scripts/up --config cacheTtlAmasState=900"]
    return ["amas insights rate"]


def _count(told: Mapping[str, str], name: str) -> int:
    text = told.get(name, "0")
    return int(text) if text.isdecimal() else 0
