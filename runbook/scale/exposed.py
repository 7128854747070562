"""What the autoscaler tells of itself: metrics for Prometheus, health for the engine, state for people."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, make_wsgi_app

from runbook.scale.decide import Action, Blind, Decision, Rules, Signals

PORT = 9747
_NOTHING_SEEN, _NOTHING_DECIDED = Blind("no look yet"), Decision(Action.HOLD, "no look yet")
Facts = dict[str, Any]


class Metrics:
    """All of the autoscaler's own."""

    def __init__(self, rules: Rules) -> None:
        self.registry = CollectorRegistry()
        self.decisions = self._counter("decisions", "Decisions by what was decided", ["action"])
        self.failures = self._counter("failures", "Steps that the agent refused or failed at", [])
        self.replicas = self._gauge("replicas", "Replicas the engine holds", ["kind"])
        self.bounds = self._gauge("bound_replicas", "The fewest and the most there may be", ["bound"])
        self.blind = self._gauge("blind", "1 while the signals cannot be seen", [])
        self.seen_at = self._gauge("seen_timestamp_seconds", "When the signals were last seen", [])
        self.changed_at = self._gauge("changed_timestamp_seconds", "When a replica was last asked for", [])
        self.cpu = self._gauge("cpu_percent", "CPU of a replica on average, as it was judged", [])
        self.latency = self._gauge("p95_milliseconds", "Latency as it was judged", [])
        for action in Action:
            self.decisions.labels(action.value)
        for bound, count in (("least", rules.least), ("most", rules.most)):
            self.bounds.labels(bound).set(count)

    def take(self, seen: Signals | Blind, decision: Decision, now: float) -> None:
        self.decisions.labels(decision.action.value).inc()
        self.blind.set(isinstance(seen, Blind))
        if isinstance(seen, Blind):
            return
        self.seen_at.set(now)
        self.replicas.labels("burst").set(len(seen.burst))
        self.replicas.labels("configured").set(len(seen.replicas) - len(seen.burst))
        self.cpu.set(seen.cpu_percent or 0.0)
        self.latency.set(seen.p95_ms or 0.0)

    def _counter(self, name: str, what: str, labels: list[str]) -> Counter:
        return Counter(f"amas_autoscaler_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, labels: list[str]) -> Gauge:
        return Gauge(f"amas_autoscaler_{name}", what, labels, registry=self.registry)


@dataclass
class Standing:
    """The last look, for whoever asks; replaced as a whole."""

    rules: Rules
    dry_run: bool
    every_s: float
    # Until the first look that sees something, blindness counts from here.
    began_at: float
    looked_at: float | None = None
    seen_at: float | None = None
    signals: Signals | Blind = _NOTHING_SEEN
    decision: Decision = _NOTHING_DECIDED
    last_change: Facts | None = None
    order: Facts | None = None

    def facts(self, now: float) -> Facts:
        seen = self.signals
        return {
            "looksEverySeconds": self.every_s,
            "lookAgeSeconds": None if self.looked_at is None else round(now - self.looked_at, 1),
            "sightAgeSeconds": round(now - (self.seen_at or self.began_at), 1),
            "blind": seen.reason if isinstance(seen, Blind) else None,
            "dryRun": self.dry_run,
            "rules": asdict(self.rules),
            "decision": asdict(self.decision),
            "lastChange": self.last_change,
            "order": self.order,
            "signals": None if isinstance(seen, Blind) else {**asdict(seen), "cpu_percent": seen.cpu_percent},
        }


def serve(metrics: Metrics, facts: Callable[[], Facts], longest_s: float, port: int = PORT) -> int:
    """In a thread of its own; returns the port. Unhealthy once no look has ended for `longest_s`."""
    exposition = make_wsgi_app(metrics.registry)

    def app(environ: Facts, start: Callable[..., Any]) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return list(exposition(environ, start))
            case "/state":
                return _answer(start, "200 OK", facts())
            case "/health":
                age_s = facts()["lookAgeSeconds"]
                well = age_s is not None and age_s <= longest_s
                return _answer(
                    start, "200 OK" if well else "503 Service Unavailable", {"lookAgeSeconds": age_s}
                )
        return _answer(start, "404 Not Found", {"paths": ["/metrics", "/state", "/health"]})

    server = make_server("0.0.0.0", port, app, handler_class=_Quiet)  # noqa: S104 - inside its network
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_port)


def _answer(start: Callable[..., Any], status: str, body: Facts) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


class _Quiet(WSGIRequestHandler):
    """A scrape is no news."""

    def log_message(self, *_: object) -> None:
        pass
