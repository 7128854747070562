"""What the service and the agent tell, as one look; anything that is missing or old makes it a blind one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook.api import Api
from runbook.errors import CheckFailed
from runbook.scale.decide import Blind, Replica, Signals

# Of a container's id, which is its host name and so the beginning of the replica's.
SHORT = 12
# A replica that was silent for so many intervals says nothing of now.
SILENT_INTERVALS = 2.5
# Below so many requests a percentile is one request's story.
LEAST_REQUESTS = 20.0
MONITORING, SERIES = "/api/about/monitoring", "/api/about/series"


@dataclass(frozen=True)
class Told:
    """The three answers that a look is made from."""

    agent: Mapping[str, Any]
    monitoring: Mapping[str, Any]
    series: Mapping[str, Any]
    values: Mapping[str, Any]


def look(ask_agent: Callable[[], Mapping[str, Any]], api: Api, now: float) -> Signals | Blind:
    """`now` in seconds since 1970, as the service stamps what it tells."""
    try:
        told = Told(
            ask_agent(),
            _asked(api, MONITORING),
            _asked(api, SERIES, {"window": "15m"}),
            _asked(api, "/api/about/values"),
        )
        return understood(told, now)
    except CheckFailed as reason:
        return Blind(reason.message)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as reason:
        return Blind(f"an answer in another form: {type(reason).__name__} {reason}")


def understood(told: Told, now: float) -> Signals | Blind:
    """Pure. Raises KeyError, TypeError or ValueError for answers of another form."""
    collector = told.monitoring["collector"]
    if not collector["isRunning"] or collector["stale"]:
        return Blind("the collector does not run")
    if not told.monitoring["shared"]:
        return Blind("the replicas do not share what they measure: the queue Redis is away")
    replicas = replicas_of(
        told.agent["replicas"], told.monitoring["replicas"], collector["intervalMs"] / 1000
    )
    if not any(one.reports for one in replicas):
        return Blind("no replica reports")
    return Signals(
        replicas,
        latency_ms(told.series, now),
        max(float(one["queue"]["ageSeconds"]) for one in told.monitoring["replicas"]),
        database_up=_value(told.values, "db.up") != 0,
        rolling=bool(told.agent["rolling"]),
    )


def replicas_of(
    held: Sequence[Mapping[str, Any]], reporting: Sequence[Mapping[str, Any]], interval_s: float
) -> tuple[Replica, ...]:
    """Those the engine holds, each with its latest report; one that drains has none."""
    fresh: dict[str, Mapping[str, Any]] = {}
    for one in sorted(reporting, key=lambda each: -float(each["ageSeconds"])):
        if float(one["ageSeconds"]) <= SILENT_INTERVALS * interval_s and not one["draining"]:
            fresh[str(one["id"])[:SHORT]] = one
    return tuple(_replica(one, fresh.get(str(one["id"])[:SHORT]), interval_s) for one in held)


def latency_ms(series: Mapping[str, Any], now: float) -> float | None:
    """Of the last interval that has ended for everyone; None when it is old or nearly empty."""
    interval_s = float(series["intervalSeconds"])
    ended = [place for place, at in enumerate(series["at"]) if at <= now - interval_s / 2]
    if not ended or now - series["at"][ended[-1]] > SILENT_INTERVALS * interval_s:
        return None
    p95, rate = series["p95"][ended[-1]], series["throughput"][ended[-1]]
    return float(p95) if p95 is not None and (rate or 0.0) * interval_s >= LEAST_REQUESTS else None


def _replica(held: Mapping[str, Any], told: Mapping[str, Any] | None, interval_s: float) -> Replica:
    age_s = float(held["ageSeconds"])
    # What it told before it was started anew is of the one before; null is what its first interval has not
    # yet shown.
    if told is None or float(told["ageSeconds"]) > age_s or age_s < interval_s or told["cpuPercent"] is None:
        cpu = memory = None
    else:
        cpu, memory = float(told["cpuPercent"]), 100 * told["rssBytes"] / held["memoryBytes"]
    return Replica(
        str(held["id"])[:SHORT],
        bool(held["burst"]),
        bool(held["healthy"]),
        bool(held["stale"]),
        cpu,
        memory,
    )


def _value(values: Mapping[str, Any], name: str) -> float | None:
    return float(values["values"][name]["value"]) if name in values["values"] else None


def _asked(api: Api, path: str, parameters: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    answer = api.read(path, parameters)
    body = answer.json()
    if answer.status != 200 or not isinstance(body, dict):
        raise CheckFailed(f"GET {path}: {answer.status} {answer.text[:120]}")
    return body
