"""Every series the service has; the only importer of prometheus_client."""

import asyncio
import logging
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service import keys, pace
from service.admin import switches
from service.collector.snapshot import Counters
from service.insights.decision import Outcome
from service.jobs import Job
from service.load_runs import LoadRun
from service.run_series import Family, of_jobs, of_load_runs
from service.wal import SERIES as WAL_SERIES

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

WRITE_BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
ROUTES = (
    "health", "ready", "metrics", "openapi", "console", "decisions", "insight", "insights", "rate", "cache",
    "runs", "dead_letters", "switches", "audit", "alerts", "silences", "rules", "slo", "monitoring", "series",
    "values", "jobs",
    "__unknown__",
)  # fmt: skip
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
ERRORS = (400, 401, 403, 404, 405, 409, 413, 415, 431, 499, 500, 503)
# Why a trace that was spooled ended in the dead letters.
BURIALS = ("poison", "conflict", "unreadable", "undelivered")
REFUSALS = ("invalid", "too_big", "queue_full", "store_away", "writes_disabled", "poison")
SEVERITIES = ("low", "medium", "high", "critical")
LOOP_SAMPLE_S = 1.0
# Outcomes that the snapshots hold, under the names of their fields there.
COUNTED = (Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT)
# While a page is rendered, so long after so many samples; these take a millisecond at most.
PAUSE_S = 0.0001
SAMPLES_AT_ONCE = 64


class Metrics:
    """One registry for each service, so that tests never share series."""

    def __init__(self, version: str) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._writes = _Writes(self.registry)
        self._outcomes = self._counter(
            "amas_decisions", "Decisions by what became of them.", "result", Outcome
        )
        self._refused = self._counter(
            "amas_decisions_refused", "Decisions that were not taken, by reason.", "reason", REFUSALS
        )
        self._keys_refused = self._counter(
            "amas_keys_refused", "Requests that were not let in, by reason.", "reason", keys.REFUSALS
        )
        self._cut = self._counter(
            "amas_connections_cut", "Connections closed on a client that was too slow.", "phase", pace.PHASES
        )
        self.audit_lost = self._plain("amas_audit_lost", "Audit entries that stand in the log alone.")
        self._letters = self._plain("amas_dead_letters", "Decisions the database refused, kept apart.")
        self._buried = self._counter(
            "amas_spool_buried", "Spooled decisions now in the dead letters, by cause.", "cause", BURIALS
        )
        self._drained = self._plain("amas_spool_drained", "Spooled decisions brought into the database.")
        self._spool_errors = self._plain("amas_spool_errors", "Attempts to spool that failed.")
        self._drain_errors = self._plain("amas_spool_drain_errors", "Batches of the drain that failed.")
        self._replayed = self._plain("amas_dead_letters_replayed", "Dead letters that were stored after all.")
        self._retention_errors = self._plain("amas_retention_errors", "Runs of the retention that failed.")
        self._oldest_chunk = self._gauge(
            "amas_oldest_chunk_age_seconds", "Since the end of the oldest chunk's day."
        )
        self._retained_at = self._gauge(
            "amas_retention_last_success_timestamp_seconds", "When the retention last ran to its end."
        )
        self._retries = self._plain("amas_write_retries", "Batches tried again after a failure.")
        self.cache_hits = self._plain("amas_cache_hits", "Insights answered from the cache.")
        self.cache_misses = self._plain("amas_cache_misses", "Insights the cache did not hold.")
        self.cache_errors = self._plain("amas_cache_errors", "Cache operations that failed.")
        self.requests = Requests(self.registry)
        self.alerts = AlertSeries(self.registry)
        self._lag = self._gauge("amas_event_loop_lag_seconds", "How late the event loop woke last time.")
        self._wal = {name: self._gauge(*series) for name, series in WAL_SERIES.items()}
        self._collected_at = self._gauge(
            "amas_collector_last_run_timestamp_seconds", "When the last interval ended well, 0 for never."
        )
        self._collecting_s = self._gauge(
            "amas_collector_duration_seconds", "What the last interval took, from taking it to keeping it."
        )
        self.tasks_ended = self._plain("amas_tasks_ended", "Loops that ended while the replica went on.")
        self._collector_errors = self._plain("amas_collector_errors", "Intervals that failed.")
        info = prometheus.Gauge("amas_build_info", "Always 1.", ["version"], registry=self.registry)
        info.labels(version).set(1)
        prometheus.ProcessCollector(registry=self.registry)

    def wrote(self, outcome: Outcome, waited_s: Sequence[float]) -> None:
        self._outcomes[outcome].inc(len(waited_s))
        self._writes.took(waited_s)

    def buried(self) -> None:
        self._letters.inc()
        self._refused["poison"].inc()

    def spooled(self, count: int) -> None:
        """Acknowledged by the spool; the store's durations are not touched."""
        self._outcomes[Outcome.SPOOLED].inc(count)

    def spool_failed(self) -> None:
        self._spool_errors.inc()

    def drained(self, count: int) -> None:
        self._drained.inc(count)

    def drain_buried(self, cause: str) -> None:
        self._letters.inc()
        self._buried[cause].inc()

    def drain_failed(self) -> None:
        self._drain_errors.inc()

    def replayed(self, count: int) -> None:
        self._replayed.inc(count)

    def retention_failed(self) -> None:
        self._retention_errors.inc()

    def retained(self, last_success: float | None, oldest_chunk_age_s: float) -> None:
        """`last_success` in seconds since 1970."""
        self._oldest_chunk.set(oldest_chunk_age_s)
        if last_success is not None:
            self._retained_at.set(last_success)

    def wal(self, values: Mapping[str, float]) -> None:
        for name, gauge in self._wal.items():
            gauge.set(values.get(name, math.nan))

    def watch_spool(self, length: Callable[[], float]) -> None:
        gauge = self._gauge("amas_spool_length", "Decisions that wait in the spool, as last seen here.")
        gauge.set_function(length)

    def retried(self) -> None:
        self._retries.inc()

    def refused(self, reason: str) -> None:
        self._refused[reason].inc()

    def key_refused(self, reason: str) -> None:
        self._keys_refused[reason].inc()

    def cut(self, phase: str) -> None:
        self._cut[phase].inc()

    def watch_switches(self, is_on: Callable[[str], bool]) -> None:
        gauge = prometheus.Gauge(
            "amas_switch_on", "1 while the switch is thrown.", ["name"], registry=self.registry
        )
        for name in switches.NAMES:
            gauge.labels(name).set_function(_asked(is_on, name))

    def watch_queue(self, rows: Callable[[], float]) -> None:
        gauge = prometheus.Gauge(
            "amas_queue_size", "Taken and not yet answered.", ["type"], registry=self.registry
        )
        gauge.labels("decision").set_function(rows)

    def watch_jobs(
        self, standing: Callable[[], Sequence[Job]], late_s: Callable[[], Mapping[str, float]]
    ) -> None:
        self.registry.register(_Recorded(lambda: of_jobs(standing(), late_s())))

    def watch_load_runs(self, newest: Callable[[], Sequence[LoadRun]]) -> None:
        self.registry.register(_Recorded(lambda: of_load_runs(newest())))

    def watch_pool(self, sizes: Callable[[], tuple[int, int, int]]) -> None:
        gauge = prometheus.Gauge(
            "amas_db_pool_connections", "Connections for reads.", ["state"], registry=self.registry
        )
        for place, state in enumerate(("open", "free", "awaited")):
            gauge.labels(state).set_function(_picked(sizes, place))

    async def watch_loop(self, noticed: Callable[[float], None]) -> None:
        """Until cancelled: how late a sleep of known length ends is what every request waits besides."""
        while True:
            start = time.monotonic()
            await asyncio.sleep(LOOP_SAMPLE_S)
            lag_s = max(0.0, time.monotonic() - start - LOOP_SAMPLE_S)
            self._lag.set(lag_s)
            try:
                noticed(lag_s)
            except Exception:
                logging.getLogger("Service").exception("a look at the event loop was not noticed")

    def counters(self) -> Counters:
        """What the snapshots take the differences of."""
        outcomes = {one.value: _total(self._outcomes[one]) for one in COUNTED}
        hits, misses = _total(self.cache_hits), _total(self.cache_misses)
        return Counters(cache_hits=hits, cache_misses=misses, cpu_s=time.process_time(), **outcomes)

    def collected(self, at: float, duration_s: float) -> None:
        self._collected_at.set(at)
        self._collecting_s.set(duration_s)

    def collector_failed(self) -> None:
        self._collector_errors.inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """Body and content type: the text format, or OpenMetrics where it is asked for.

        To be called in a thread, which lets the event loop in between.
        """
        encoder, content_type = choose_encoder(accept)
        return encoder(_Paced(self.registry)), content_type

    def _counter(
        self, name: str, text: str, label: str, values: Iterable[str]
    ) -> dict[str, prometheus.Counter]:
        counter = prometheus.Counter(name, text, [label], registry=self.registry)
        return {value: counter.labels(value) for value in values}

    def _gauge(self, name: str, text: str) -> prometheus.Gauge:
        return prometheus.Gauge(name, text, registry=self.registry)

    def _plain(self, name: str, text: str) -> prometheus.Counter:
        return prometheus.Counter(name, text, registry=self.registry)


class Requests(Collector):
    """Series of the HTTP edge: plain lists, since the library's own children cost three times as much."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._routes = {route: _Route() for route in ROUTES}
        self._errors = {str(status): 0 for status in (*ERRORS, "4xx", "5xx")}
        registry.register(self)

    def answered(self, route: str, status: int, duration_s: float) -> None:
        one = self._routes[route]
        one.durations[bisect_left(REQUEST_BUCKETS_S, duration_s)] += 1
        one.sum_s += duration_s
        one.classes[status // 100 - 1] += 1
        if status >= 400:
            self._errors[str(status) if status in ERRORS else CLASSES[status // 100 - 1]] += 1

    def collect(self) -> Iterable[Metric]:
        durations = HistogramMetricFamily(
            "amas_http_request_duration_seconds",
            "From the request's head to the end of its answer.",
            labels=["route"],
        )
        answers = CounterMetricFamily(
            "amas_http_requests", "Answers by route and class.", labels=["route", "class"]
        )
        errors = CounterMetricFamily("http_errors", "Answers of 4xx and 5xx.", labels=["status"])
        bounds = [*map(str, REQUEST_BUCKETS_S), "+Inf"]
        for route, one in self._routes.items():
            cumulated = list(zip(bounds, accumulate(one.durations), strict=True))
            durations.add_metric([route], cumulated, one.sum_s)
            for name, count in zip(CLASSES, one.classes, strict=True):
                answers.add_metric([route, name], count)
        for status, count in self._errors.items():
            errors.add_metric([status], count)
        yield from (durations, answers, errors)


def _total(counter: prometheus.Counter) -> float:
    return next(iter(counter.collect())).samples[0].value


class _Paced(Collector):
    """A registry that sleeps between samples: whoever renders holds the interpreter for 5 ms else."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry
        self._given = 0

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            family.samples = _Samples(family.samples, self._gave)
            yield family

    def _gave(self) -> None:
        self._given += 1
        if self._given % SAMPLES_AT_ONCE == 0:
            time.sleep(PAUSE_S)


class _Samples(list[Sample]):
    """Tells of each that is given out."""

    def __init__(self, samples: Iterable[Sample], gave: Callable[[], None]) -> None:
        super().__init__(samples)
        self._gave = gave

    def __iter__(self) -> Iterator[Sample]:
        for sample in super().__iter__():
            self._gave()
            yield sample


class _Route:
    """What one route has answered."""

    __slots__ = ("classes", "durations", "sum_s")

    def __init__(self) -> None:
        self.durations = [0] * (len(REQUEST_BUCKETS_S) + 1)
        self.classes = [0] * len(CLASSES)
        self.sum_s = 0.0


def _asked(is_on: Callable[[str], bool], name: str) -> Callable[[], float]:
    return lambda: float(is_on(name))


class AlertSeries:
    """What the alerts tell about themselves."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry
        firing = prometheus.Gauge("amas_alerts_firing", "Alerts firing now.", ["severity"], registry=registry)
        self._firing = {one: firing.labels(one) for one in SEVERITIES}
        transitions = prometheus.Counter(
            "amas_alert_transitions", "Alerts that began or ended.", ["status"], registry=registry
        )
        self._transitions = {one: transitions.labels(one) for one in ("firing", "resolved")}
        sent = prometheus.Counter(
            "amas_notifications", "Attempts to tell a receiver.", ["result"], registry=registry
        )
        self._sent = {one: sent.labels(one) for one in ("delivered", "retried", "failed")}
        beats = prometheus.Counter(
            "amas_heartbeats", "Heartbeats to the outside watchdog.", ["result"], registry=registry
        )
        self._beats = {one: beats.labels(one) for one in ("delivered", "failed")}
        self._took = prometheus.Gauge(
            "amas_alert_evaluation_seconds", "What the last evaluation of all rules took.", registry=registry
        )
        self._evaluated_at = prometheus.Gauge(
            "amas_alert_last_evaluation_timestamp_seconds",
            "When this replica last evaluated the rules, 0 for never.",
            registry=registry,
        )
        self._leads = prometheus.Gauge(
            "amas_alert_leader", "1 while this replica evaluates and tells for all.", registry=registry
        )

    def firing(self, by_severity: Mapping[str, int]) -> None:
        for severity, gauge in self._firing.items():
            gauge.set(by_severity.get(severity, 0))

    def transitioned(self, status: str) -> None:
        self._transitions[status].inc()

    def notified(self, result: str) -> None:
        self._sent[result].inc()

    def heartbeat(self, result: str) -> None:
        self._beats[result].inc()

    def evaluated(self, took_s: float, at: float) -> None:
        self._took.set(took_s)
        self._evaluated_at.set(at)

    def leads(self, leads: bool) -> None:
        self._leads.set(leads)

    def watch(self, oldest_s: Callable[[], float]) -> None:
        gauge = prometheus.Gauge(
            "amas_notifier_oldest_seconds",
            "How long the oldest notification has waited.",
            registry=self._registry,
        )
        gauge.set_function(oldest_s)


class _Recorded(Collector):
    """Gauges of what is known elsewhere, as it stands when they are asked for."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for name, text, labels, values in self._families():
            family = GaugeMetricFamily(name, text, labels=labels)
            for key, value in values.items():
                family.add_metric(key, value)
            yield family


def _picked(sizes: Callable[[], tuple[int, int, int]], place: int) -> Callable[[], float]:
    return lambda: sizes()[place]


class _Writes(Collector):
    """How long writes took: counted once, told in the runbook's milliseconds and in the base unit.

    The bounds in milliseconds are written as the runbook writes them: le="500", not le="500.0".
    """

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._counts = [0] * (len(WRITE_BUCKETS_MS) + 1)
        self._sum_ms = 0.0
        registry.register(self)

    def took(self, waited_s: Sequence[float]) -> None:
        for waited in waited_s:
            waited_ms = waited * 1000
            self._counts[bisect_left(WRITE_BUCKETS_MS, waited_ms)] += 1
            self._sum_ms += waited_ms

    def collect(self) -> Iterable[HistogramMetricFamily]:
        name, text = "amas_decision_write_duration", "From taking a decision to its answer from the store"
        in_ms, in_s = map(str, WRITE_BUCKETS_MS), (str(bound / 1000) for bound in WRITE_BUCKETS_MS)
        yield self._family(name, f"{text}, in milliseconds.", in_ms, self._sum_ms)
        yield self._family(f"{name}_seconds", f"{text}.", in_s, self._sum_ms / 1000)

    def _family(self, name: str, text: str, bounds: Iterable[str], total: float) -> HistogramMetricFamily:
        family = HistogramMetricFamily(name, text)
        family.add_metric([], list(zip([*bounds, "+Inf"], accumulate(self._counts), strict=True)), total)
        return family
