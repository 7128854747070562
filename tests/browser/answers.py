"""What the service answers in each state, in exactly the shapes of its contract."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Answers = dict[str, Any]

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&lt;"
STATES = ("healthy", "alerting", "new", "hostile", "huge", "bare")


def answers(state: str) -> Answers:
    """By path; a path that is missing is answered with 404."""
    return _STATES[state]()


def _healthy() -> Answers:
    return {
        "/health": {"status": "ok", "timestamp": _ago(0)},
        "/ready": _ready(),
        "/api/about/slo": {"at": _ago(0), "rows": _slos()},
        "/api/about/monitoring": _monitoring(),
        "/api/about/series": _series(load=1.0),
        "/api/alerts/active": [],
        "/api/alerts/silences": [],
        "/api/alerts/history": _history(),
        "/api/insights": {"items": [_insight(number) for number in range(25)], "nextCursor": "bmV4dA"},
    }


def _alerting() -> Answers:
    slos = _slos()
    slos[1] |= {"value": 143.2, "budgetLeft": 0.18}
    slos[2] |= {"value": 812.4, "state": "breached", "budgetLeft": 0.0}
    slos[3] |= {"value": 1.2, "state": "at_risk", "budgetLeft": 0.0}
    monitoring = _monitoring()
    monitoring["queue"] = {"size": 1843, "ageSeconds": 6.2}
    monitoring["spool"] = {"state": "up", "length": 5120, "ageSeconds": 41.0, "fillPercent": 12.5}
    monitoring["deadLetters"] = {"count": 3, "ageSeconds": 5400.0}
    monitoring["wal"] |= {"syncDegraded": True, "receiverAgeSeconds": 95.0, "receiverLagBytes": 52_428_800}
    monitoring["switches"][2] |= {
        "on": True, "reason": "receiver is being moved", "since": _ago(1800), "by": "mira",
    }  # fmt: skip
    monitoring["replicas"][1] |= {"draining": True, "cpuPercent": 91.0}
    monitoring["backup"] = {
        "at": _ago(30_000), "sizeBytes": 1_840_000_000, "status": "in time",
        "proof": {"at": _ago(28_000), "result": "passed", "restoreSeconds": 64.0},
    }  # fmt: skip
    ready = _ready()
    ready["status"] = "ready"
    ready["dependencies"]["database"] |= {"state": "down", "reason": "connection refused"}
    return _healthy() | {
        "/ready": ready,
        "/api/about/slo": {"at": _ago(0), "rows": slos},
        "/api/about/monitoring": monitoring,
        "/api/about/series": _series(load=2.4),
        "/api/alerts/active": [
            alert("a1", "high-latency-p99", "critical", "P99 latency is above 500 ms", value=812.4),
            alert("a2", "queue-backlog", "high", "The write queue grows: 1,843 rows wait", value=1843),
            alert(
                "a3", "dead-letters", "medium", "3 traces could not be stored", value=3,
                acknowledged={"by": "mira", "at": _ago(600), "comment": "looking at the bodies"},
            ),
            alert("a4", "cache-hit-rate", "low", "Cache hit rate is below 70 %", value=61, silenced=True),
        ],
        "/api/alerts/silences": [silence("s1", "cache-hit-rate")],
    }  # fmt: skip


def _new() -> Answers:
    """Just made: nothing measured, nothing stored."""
    slos = [row | {"value": None, "state": "no_data", "budgetLeft": None, "samples": 0} for row in _slos()]
    monitoring = _monitoring()
    monitoring |= {"leader": None, "replicas": monitoring["replicas"][:1], "cache": {"hitRatePercent": None}}
    return _healthy() | {
        "/api/about/slo": {"at": _ago(0), "rows": slos},
        "/api/about/monitoring": monitoring | {"leader": monitoring["replicas"][0]["id"]},
        "/api/about/series": {
            name: ([] if isinstance(values, list) else values) for name, values in _series(0).items()
        },
        "/api/alerts/history": [],
        "/api/insights": {"items": [], "nextCursor": None},
    }


def _hostile() -> Answers:
    """Markup, quotes and overlong words wherever text may come from outside."""
    long = "x" * 4000
    slos = _slos()
    slos[0] |= {"name": HOSTILE, "unit": HOSTILE, "window": HOSTILE, "operator": HOSTILE}
    monitoring = _monitoring()
    monitoring["leader"] = monitoring["replicas"][0]["id"] = HOSTILE
    monitoring["alerts"]["lastError"] = HOSTILE + long
    monitoring["switches"] = [
        {"name": HOSTILE, "on": True, "reason": HOSTILE + long, "since": HOSTILE, "by": HOSTILE}
    ]
    monitoring["backup"] = {"at": HOSTILE, "status": HOSTILE, "proof": {"at": HOSTILE, "result": HOSTILE}}
    hostile = alert(HOSTILE, HOSTILE, HOSTILE, HOSTILE + long, value=0)
    hostile |= {"labels": {HOSTILE: HOSTILE, "long": long}, "runbook": "javascript:document.title='owned'"}
    return _healthy() | {
        "/api/about/slo": {"at": HOSTILE, "rows": slos},
        "/api/about/monitoring": monitoring,
        "/api/about/series": _series(1.0) | {"p50": HOSTILE, "queue": [HOSTILE] * 30},
        "/api/alerts/active": [hostile, alert("__proto__", "constructor", "critical", long, value=1)],
        "/api/alerts/silences": [silence(HOSTILE, HOSTILE) | {"comment": HOSTILE + long}],
        "/api/alerts/history": [hostile | {"status": HOSTILE}],
        "/api/insights": {"items": [_insight(1) | {"userId": HOSTILE, "action": long}], "nextCursor": None},
    }


def _huge() -> Answers:
    monitoring = _monitoring()
    monitoring["replicas"] = [_replica(number) for number in range(64)]
    levels = ("critical", "high", "medium", "low")
    return _healthy() | {
        "/api/about/monitoring": monitoring,
        "/api/about/series": _series(3.0, points=3600),
        "/api/alerts/active": [
            alert(f"h{number}", f"rule-{number}", levels[number % 4], f"Alert number {number}", value=number)
            for number in range(2000)
        ],
        "/api/alerts/history": [
            alert(f"o{number}", f"rule-{number}", levels[number % 4], "Over", value=number)
            | {"status": "resolved"}
            for number in range(200)
        ],
        "/api/alerts/silences": [silence(f"s{number}", f"rule-{number}") for number in range(100)],
    }


def _bare() -> Answers:
    """An older service: lists of alerts, and none of the rest."""
    return {
        "/health": {"status": "ok", "timestamp": _ago(0)},
        "/ready": _ready(),
        "/api/alerts/active": [],
        "/api/alerts/history": [],
    }


_STATES = {
    "healthy": _healthy,
    "alerting": _alerting,
    "new": _new,
    "hostile": _hostile,
    "huge": _huge,
    "bare": _bare,
}


def alert(alert_id: str, rule: str, severity: str, message: str, *, value: float, **more: Any) -> Answers:
    return {
        "id": alert_id, "ruleId": rule, "metric": "http.latency.p99", "status": "firing",
        "severity": severity, "value": value, "threshold": 500, "operator": ">", "occurredAt": _ago(1260),
        "message": message, "labels": {"team": "decisions"}, "runbook": "amas triage",
        "acknowledged": None, "silenced": False, "escalation": 2 if severity == "critical" else 1,
    } | more  # fmt: skip


def silence(silence_id: str, rule: str, **more: Any) -> Answers:
    return {
        "id": silence_id, "matchers": {"ruleId": rule}, "comment": "cache is being warmed",
        "createdBy": "mira", "startsAt": _ago(900), "endsAt": _ago(-5400),
    } | more  # fmt: skip


def _slos() -> list[Answers]:
    rows = [
        ("throughput", "Throughput", 418.0, "req/s", ">", 1000, 800, None),
        ("latency_p95", "P95 latency", 42.6, "ms", "<", 200, 250, 0.97),
        ("latency_p99", "P99 latency", 88.1, "ms", "<", 500, 600, 0.99),
        ("error_rate", "Error rate", 0.02, "percent", "<", 1, 2, 0.98),
        ("monitoring_overhead", "Monitoring overhead", 0.0021, "ms", "<", 100, 150, 1.0),
        ("cache_hit_rate", "Cache hit rate", 93.4, "percent", ">", 80, 60, 0.67),
    ]
    return [
        {
            "id": slo, "name": name, "value": value, "unit": unit, "operator": operator, "target": target,
            "alertThreshold": threshold, "window": "5m", "budgetLeft": left,
            # Throughput is judged under demand only.
            "state": "no_data" if left is None else "met",
            "samples": 125_400,
        }
        for slo, name, value, unit, operator, target, threshold, left in rows
    ]  # fmt: skip


def _monitoring() -> Answers:
    return {
        "replica": "api-0-48c81d", "leader": "api-1-806ba6", "shared": True,
        "replicas": [_replica(number) for number in range(3)],
        "collector": {
            "isRunning": True, "lastRun": _ago(4), "ageSeconds": 4.0, "stale": False, "intervalMs": 30_000,
            "snapshotMicroseconds": 310,
        },
        "alerts": {
            "isRunning": True, "lastRun": _ago(2), "ageSeconds": 2.0, "leader": False, "rules": 31,
            "evaluationMicroseconds": 28, "lastError": None,
        },
        "queue": {"size": 12, "ageSeconds": 0.004},
        "spool": {"state": "up", "length": 0, "ageSeconds": None, "fillPercent": 0.4},
        "deadLetters": {"count": 0, "ageSeconds": None},
        "wal": {
            "syncDegraded": False, "receiverAgeSeconds": 3.1, "receiverLagBytes": 0, "slotFillPercent": 0.4,
            "slotLost": False,
        },
        "cache": {"hitRatePercent": 93.4}, "overheadMilliseconds": 0.0021,
        "switches": [
            {"name": f"disable-{name}", "on": False, "reason": None, "since": None, "by": None}
            for name in ("insight-writes", "metrics-collection", "notifications")
        ],
        "backup": None,
    }  # fmt: skip


def _replica(number: int) -> Answers:
    names = ("api-0-48c81d", "api-1-806ba6", "api-2-19be04")
    return {
        "id": names[number] if number < len(names) else f"api-{number}",
        "ageSeconds": 1.2 + number % 7, "queue": {"size": 4, "ageSeconds": 0.003},
        "pool": {"open": 20, "free": 17 - number % 5, "awaited": 0}, "cpuPercent": 38.2 + number % 9,
        "rssBytes": 118_000_000 + number * 1_300_000, "eventLoopLagSeconds": 0.0011, "draining": False,
    }  # fmt: skip


def _ready() -> Answers:
    return {
        "status": "ready",
        "dependencies": {
            name: {"state": "up", "required": False, "ageSeconds": 0.4}
            for name in ("database", "cache", "writer")
        },
    }


def _series(load: float, points: int = 30) -> Answers:
    """Fifteen minutes of a gently waving load, with intervals that nobody measured."""
    now = int(datetime.now(UTC).timestamp())
    step = 900 // points or 1

    def wave(base: float, swing: float, turn: float) -> list[float | None]:
        values: list[float | None] = [
            round(base * load * (1 + swing * (math.sin(turn + 9 * place / points) + math.sin(place) / 3)), 3)
            for place in range(points)
        ]
        values[0] = values[1] = values[3] = None
        return values

    return {
        "intervalSeconds": step, "at": [now - step * (points - place) for place in range(points)],
        "throughput": wave(400, 0.18, 0), "decisionsPerSecond": wave(260, 0.2, 0.2),
        "p50": wave(6.2, 0.1, 0), "p95": wave(41, 0.22, 1), "p99": wave(84, 0.3, 1.4),
        "errorRatePercent": wave(0.03, 0.9, 0.5), "queue": wave(14, 0.6, 2),
        "cacheHitRatePercent": wave(31, 0.02, 1),
    }  # fmt: skip


def _history() -> list[Answers]:
    past = [
        ("o3", "queue-backlog", "high", "resolved", 7_200, "The write queue is short again"),
        ("o2", "queue-backlog", "high", "firing", 7_600, "The write queue grows: 912 rows wait"),
        ("o1", "cache-hit-rate", "low", "resolved", 90_000, "Cache hit rate is above 70 % again"),
    ]
    return [
        alert(one, rule, severity, message, value=912) | {"status": status, "occurredAt": _ago(age)}
        for one, rule, severity, status, age, message in past
    ]


def _insight(number: int) -> Answers:
    return {
        "decisionId": f"order:{number}", "userId": f"user-{number % 3}", "action": "increase_difficulty",
        "durationMs": 12.5 + number, "occurredAt": _ago(60 * number), "createdAt": _ago(60 * number),
        "stateSnapshot": {"attention": 0.72, "fatigue": 0.31}, "difficultyFactors": {"length": 4},
        "triggers": [],
    }  # fmt: skip


def insight(decision_id: str) -> Mapping[str, Any]:
    return _insight(1) | {"decisionId": decision_id}


def _ago(seconds: float) -> str:
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
