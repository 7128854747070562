"""Every series the service has; the only importer of prometheus_client."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

import prometheus_client as prometheus
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from service.insights.decision import Outcome

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

WRITE_BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
ROUTES = (
    "health", "ready", "metrics", "decisions", "insight", "insights", "rate", "cache", "runs", "alerts",
    "openapi", "__unknown__",
)  # fmt: skip
ERRORS = (400, 401, 403, 404, 405, 409, 413, 415, 431, 499, 500, 503)
REFUSALS = ("invalid", "too_big", "queue_full", "store_away", "writes_disabled", "poison")
LOOP_SAMPLE_S = 1.0


class Metrics:
    """One registry for each service, so that tests never share series."""

    def __init__(self, version: str) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._write_ms = _Milliseconds("amas_decision_write_duration", _WRITE_MS_HELP, WRITE_BUCKETS_MS)
        self.registry.register(self._write_ms)
        self._write_s = prometheus.Histogram(
            "amas_decision_write_duration_seconds",
            "From taking a decision to its answer from the store.",
            buckets=[bound / 1000 for bound in WRITE_BUCKETS_MS],
            registry=self.registry,
        )
        self._outcomes = self._counter(
            "amas_decisions", "Decisions by what became of them.", "result", Outcome
        )
        self._refused = self._counter(
            "amas_decisions_refused", "Decisions that were not taken, by reason.", "reason", REFUSALS
        )
        self._letters = self._plain("amas_dead_letters", "Decisions the database refused, kept apart.")
        self._retries = self._plain("amas_write_retries", "Batches tried again after a failure.")
        self.cache_hits = self._plain("amas_cache_hits", "Insights answered from the cache.")
        self.cache_misses = self._plain("amas_cache_misses", "Insights the cache did not hold.")
        self.cache_errors = self._plain("amas_cache_errors", "Cache operations that failed.")
        self.requests = Requests(self.registry)
        self._lag = prometheus.Gauge(
            "amas_event_loop_lag_seconds", "How late the event loop woke last time.", registry=self.registry
        )
        info = prometheus.Gauge("amas_build_info", "Always 1.", ["version"], registry=self.registry)
        info.labels(version).set(1)
        prometheus.ProcessCollector(registry=self.registry)

    def wrote(self, outcome: Outcome, waited_s: Sequence[float]) -> None:
        self._outcomes[outcome].inc(len(waited_s))
        for waited in waited_s:
            self._write_ms.observe(waited * 1000)
            self._write_s.observe(waited)

    def buried(self) -> None:
        self._letters.inc()
        self._refused["poison"].inc()

    def retried(self) -> None:
        self._retries.inc()

    def refused(self, reason: str) -> None:
        self._refused[reason].inc()

    def watch_queue(self, rows: Callable[[], float]) -> None:
        gauge = prometheus.Gauge(
            "amas_queue_size", "Taken and not yet answered.", ["type"], registry=self.registry
        )
        gauge.labels("decision").set_function(rows)

    def watch_pool(self, sizes: Callable[[], tuple[int, int, int]]) -> None:
        gauge = prometheus.Gauge(
            "amas_db_pool_connections", "Connections for reads.", ["state"], registry=self.registry
        )
        for place, state in enumerate(("open", "free", "awaited")):
            gauge.labels(state).set_function(_picked(sizes, place))

    async def watch_loop(self) -> None:
        """Until cancelled: how late a sleep of known length ends is what every request waits besides."""
        while True:
            start = time.monotonic()
            await asyncio.sleep(LOOP_SAMPLE_S)
            self._lag.set(max(0.0, time.monotonic() - start - LOOP_SAMPLE_S))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type: the text format, or OpenMetrics where it is asked for. Blocks 1 to 3 ms."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type

    def _counter(
        self, name: str, text: str, label: str, values: Iterable[str]
    ) -> dict[str, prometheus.Counter]:
        counter = prometheus.Counter(name, text, [label], registry=self.registry)
        return {value: counter.labels(value) for value in values}

    def _plain(self, name: str, text: str) -> prometheus.Counter:
        return prometheus.Counter(name, text, registry=self.registry)


class Requests:
    """Series of the HTTP edge, with children looked up once: a label lookup costs more than a count."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        durations = prometheus.Histogram(
            "amas_http_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ["route"],
            buckets=REQUEST_BUCKETS_S,
            registry=registry,
        )
        answers = prometheus.Counter(
            "amas_http_requests", "Answers by route and class.", ["route", "class"], registry=registry
        )
        errors = prometheus.Counter("http_errors", "Answers of 4xx and 5xx.", ["status"], registry=registry)
        classes = ("1xx", "2xx", "3xx", "4xx", "5xx")
        self._observe = {route: durations.labels(route).observe for route in ROUTES}
        self._count = {route: [answers.labels(route, one).inc for one in classes] for route in ROUTES}
        self._errors = {status: errors.labels(str(status)).inc for status in ERRORS}
        self._other_errors = {4: errors.labels("4xx").inc, 5: errors.labels("5xx").inc}

    def answered(self, route: str, status: int, duration_s: float) -> None:
        self._observe[route](duration_s)
        self._count[route][status // 100 - 1]()
        if status >= 400:
            self._errors.get(status, self._other_errors[status // 100])()


def _picked(sizes: Callable[[], tuple[int, int, int]], place: int) -> Callable[[], float]:
    return lambda: sizes()[place]


_WRITE_MS_HELP = "From taking a decision to its answer from the store, in milliseconds."


class _Milliseconds(Collector):
    """A histogram whose bounds are written as the runbook writes them: le="500", not le="500.0"."""

    def __init__(self, name: str, text: str, bounds: Sequence[int]) -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text)
        bounds = [*map(str, self._bounds), "+Inf"]
        family.add_metric([], list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)
        yield family
