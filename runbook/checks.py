"""The daily checks of the runbook (sections 2.1 to 2.3, 6.1 to 6.3), judged from what was seen. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook.api import Answer
from runbook.exposition import Exposition, combined
from runbook.present import Missing, Present, present_in

P99_LIMIT_MS = 500
HISTORY_LIMIT = 200
QUEUE = "amas_queue_size"
DURATION = "amas_decision_write_duration"
ERRORS = "http_errors_total"
REQUESTS = "amas_http_requests_total"
REPLICA = "process_start_time_seconds"
OWN_METRICS = "job.health."


@dataclass(frozen=True)
class Seen:
    """What the service answered; scrapes in the order they were made, each by one of the replicas."""

    health: Answer | Missing
    scrapes: Sequence[Exposition] | Missing
    values: Answer | Missing
    alerts: Answer | Missing
    history: Answer | Missing
    rate: Answer | Missing


@dataclass(frozen=True)
class Check:
    """One line of the verdict; state is ok, failed or unknown (then with the reason)."""

    name: str
    section: str
    state: str
    value: str
    target: str
    reason: str = ""


@dataclass(frozen=True)
class Figure:
    """A measured value and its limit; server errors only count as errors, not what clients ask wrongly."""

    name: str
    metric: str
    limit: float
    unit: str
    window: str = ""

    def judged(self, present: Present | Missing) -> Check:
        target = f"< {self.limit:g}{self.unit}"
        if isinstance(present, Missing):
            return Check(self.name, "2.2", "unknown", "", target, present.reason)
        found = present.get(self.metric)
        if found is None:
            return Check(
                self.name, "2.2", "unknown", "", target, f"nothing was measured {self.window}".strip()
            )
        counted = f"{found.samples} {self.window}" if self.window else ""
        value = f"{found.value:.{2 if self.unit else 0}f}{self.unit}"
        return Check(self.name, "2.2", _state(found.value < self.limit), value, target, counted)


FIGURES = (
    Figure("queue depth", "queue.size", 500, ""),
    Figure("decision write P99", "decision.latency.p99", P99_LIMIT_MS, " ms", "in the last 5 minutes"),
    Figure("error rate", "http.error_rate.5xx", 1, " %", "in the last 5 minutes"),
)


def judge(seen: Seen) -> list[Check]:
    return [
        _health(seen.health),
        *_metrics(seen.scrapes),
        *of_present(present_in(seen.values)),
        _active_alerts(seen.alerts),
        _history(seen.history),
        _rate(seen.rate),
    ]


def passed(checks: Sequence[Check]) -> bool:
    return all(check.state != "failed" for check in checks)


def check_rows(checks: Sequence[Check]) -> list[list[str]]:
    return [[one.section, one.name, one.state, one.value or "-", one.reason or one.target] for one in checks]


def _health(answer: Answer | Missing) -> Check:
    name, section, target = "health", "2.1", "200 and status ok"
    if isinstance(answer, Missing):
        return Check(name, section, "failed", "no answer", target, answer.reason)
    body = answer.json()
    well = answer.status == 200 and isinstance(body, dict) and body.get("status") == "ok"
    if not well or not _is_time(body.get("timestamp")):
        return Check(name, section, "failed", str(answer.status), target, f"answered {answer.text[:120]!r}")
    return Check(name, section, "ok", "200 ok", target)


def _is_time(value: object) -> bool:
    try:
        return (
            isinstance(value, str)
            and value.endswith("Z")
            and datetime.fromisoformat(value).tzinfo is not None
        )
    except ValueError:
        return False


def _metrics(scrapes: Sequence[Exposition] | Missing) -> list[Check]:
    if isinstance(scrapes, Missing):
        return [Check("metrics", "2.2", "failed", "unreadable", "the names of the runbook", scrapes.reason)]
    newest = list(by_replica(scrapes).values())
    last = [seen_by_one[-1] for seen_by_one in newest]
    everything = combined(last)
    return [_names(everything), _collector(newest)]


def by_replica(scrapes: Sequence[Exposition]) -> dict[float | None, list[Exposition]]:
    """A replica is known by the moment its process started: scrapes come through the load balancer."""
    found: dict[float | None, list[Exposition]] = {}
    for scrape in scrapes:
        found.setdefault(scrape.total(REPLICA), []).append(scrape)
    return found


def _names(seen: Exposition) -> Check:
    names = seen.names()
    wanted: dict[str, Callable[[], bool]] = {
        f'{QUEUE}{{type="decision"}}': lambda: bool(seen.named(QUEUE, type="decision")),
        f'{DURATION}_bucket{{le="500"}}': lambda: any(
            bound == P99_LIMIT_MS for bound, _ in seen.buckets(DURATION)
        ),
        ERRORS: lambda: ERRORS in names,
        "cache hits": lambda: any("cache" in name and "hit" in name for name in names),
        "cache misses": lambda: any("cache" in name and "miss" in name for name in names),
    }
    missing = [name for name, is_there in wanted.items() if not is_there()]
    value = f"{len(names)} names"
    if missing:
        return Check(
            "metrics", "2.2", "failed", value, "the runbook's names", f"not exposed: {', '.join(missing)}"
        )
    return Check("metrics", "2.2", "ok", value, "the runbook's names")


def of_present(present: Present | Missing) -> list[Check]:
    """The figures to watch, as they are now: totals since the start would hide today behind last week."""
    return [one.judged(present) for one in FIGURES]


def _collector(replicas: Sequence[Sequence[Exposition]]) -> Check:
    """Each scrape is a request, so a living collector has counted more by the next one."""
    name, section, target = "collector", "6.1", "counts requests"
    pairs = [(seen[0].total(REQUESTS), seen[-1].total(REQUESTS)) for seen in replicas if len(seen) > 1]
    counts = [(first, last) for first, last in pairs if first is not None and last is not None]
    if not counts:
        return Check(name, section, "unknown", "", target, f"no replica showed {REQUESTS} twice")
    stale = sum(last <= first for first, last in counts)
    reason = f"{REQUESTS} stood still between two scrapes" if stale else ""
    return Check(
        name, section, _state(not stale), f"{len(counts) - stale} of {len(counts)} alive", target, reason
    )


def _active_alerts(answer: Answer | Missing) -> Check:
    name, section, target = "active alerts", "2.3", "none"
    alerts = _list(answer)
    if isinstance(alerts, Missing):
        return Check(name, section, "failed", "no answer", target, alerts.reason)
    alerts = [one for one in alerts if not _is_of_this_check(one)]
    shown = "; ".join(
        f"{one.get('metric')}: {one.get('message')}" for one in alerts[:3] if isinstance(one, dict)
    )
    return Check(name, section, _state(not alerts), str(len(alerts)), target, shown)


def _is_of_this_check(alert: Any) -> bool:
    """That this check failed the last time would make it fail for ever."""
    return isinstance(alert, dict) and str(alert.get("metric")).startswith(OWN_METRICS)


def _history(answer: Answer | Missing) -> Check:
    name, section, target = "alert history", "6.2", f"<= {HISTORY_LIMIT}"
    alerts = _list(answer)
    if isinstance(alerts, Missing):
        return Check(name, section, "failed", "no answer", target, alerts.reason)
    return Check(name, section, _state(len(alerts) <= HISTORY_LIMIT), str(len(alerts)), target)


def _rate(answer: Answer | Missing) -> Check:
    """Said, not judged: what is usual depends on the traffic."""
    name, section, target = "insights per hour", "6.3", "as usual (100-500)"
    if isinstance(answer, Missing):
        return Check(name, section, "unknown", "", target, answer.reason)
    hours = _hours(answer.json())
    if answer.status != 200 or hours is None:
        return Check(name, section, "unknown", "", target, f"/api/insights/rate answered {answer.status}")
    if not hours:
        return Check(name, section, "ok", "0", target, "nothing was written in the last 24 h")
    return Check(
        name, section, "ok", f"{sum(hours) / len(hours):.0f}", target, f"over {len(hours)} hours with writes"
    )


def _hours(body: Any) -> list[int] | None:
    """Counts of the hours in which anything was written; None for any other shape."""
    try:
        return [int(hour["insightsWritten"]) for hour in body["hours"]]
    except (TypeError, KeyError, ValueError):
        return None


def _list(answer: Answer | Missing) -> list[Any] | Missing:
    if isinstance(answer, Missing):
        return answer
    body = answer.json()
    if answer.status in {401, 403}:
        return Missing(f"{answer.status}: needs a read key (AMAS_READ_KEY_FILE)")
    if answer.status != 200 or not isinstance(body, list):
        return Missing(f"expected 200 and a list, got {answer.status}: {answer.text[:80]!r}")
    return body


def _state(good: bool) -> str:
    return "ok" if good else "failed"
