"""The metrics that a board may name: the service's own, and of the exporters those that are used."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from service.metrics import Metrics

# By `job`. Which of them only ever rise is not always told by their names.
_GAUGES: Mapping[str, Iterable[str]] = {
    "cache": ("redis_memory_max_bytes", "redis_memory_used_bytes", "redis_up"),
    "db": (
        "pg_database_size_bytes",
        "pg_locks_count",
        "pg_settings_max_connections",
        "pg_stat_activity_count",
        "pg_up",
    ),
    "host": ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"),
    "lb": ("haproxy_backend_active_servers", "haproxy_frontend_current_sessions"),
    "prometheus": ("prometheus_tsdb_head_series",),
}
_COUNTERS: Mapping[str, Iterable[str]] = {
    "cache": ("redis_commands_processed_total", "redis_evicted_keys_total"),
    "db": (
        "pg_stat_database_blks_hit",
        "pg_stat_database_blks_read",
        "pg_stat_database_deadlocks",
        "pg_stat_database_temp_bytes",
        "pg_stat_database_tup_deleted",
        "pg_stat_database_tup_fetched",
        "pg_stat_database_tup_inserted",
        "pg_stat_database_tup_updated",
        "pg_stat_database_xact_commit",
        "pg_stat_database_xact_rollback",
    ),
    "host": ("node_cpu_seconds_total", "node_disk_io_time_seconds_total"),
    "lb": ("haproxy_backend_retry_warnings_total", "haproxy_frontend_http_responses_total"),
}
# One exporter asks both instances.
_SAME = {"queue": "cache"}
# Prometheus adds these to every target.
_OF_EVERY_JOB = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
JOBS = ("api", "autoscaler", "backup", "cache", "db", "host", "lb", "prometheus", "queue", "scheduler")
SERVICE = "api"


@dataclass(frozen=True)
class Known:
    """`jobs`: who exposes it. `labels` is None where they are not known."""

    jobs: frozenset[str]
    is_counter: bool
    labels: frozenset[str] | None = None


@functools.cache
def metrics() -> Mapping[str, Known]:
    """By name, as a query names them."""
    return dict(_everything())


def _everything() -> Iterator[tuple[str, Known]]:
    for name in _OF_EVERY_JOB:
        yield name, Known(frozenset(JOBS), is_counter=False)
    for kinds, is_counter in ((_GAUGES, False), (_COUNTERS, True)):
        for job, names in kinds.items():
            jobs = frozenset([job, *(one for one, same in _SAME.items() if same == job)])
            yield from ((name, Known(jobs, is_counter)) for name in names)
    for family in _service_families():
        yield from _samples(family)


def _samples(family: Metric) -> Iterator[tuple[str, Known]]:
    jobs = frozenset([SERVICE])
    labels = _labels(family)
    if family.type == "histogram":
        for ending in ("_bucket", "_count", "_sum"):
            yield family.name + ending, Known(jobs, is_counter=True, labels=labels)
    else:
        ending = "_total" if family.type == "counter" else ""
        yield family.name + ending, Known(jobs, family.type == "counter", labels)


def _labels(family: Metric) -> frozenset[str] | None:
    """Those of its samples; a label that Prometheus sets itself is renamed by it."""
    if not family.samples:
        return None
    names = {name for sample in family.samples for name in sample.labels}
    return frozenset(f"exported_{name}" if name in {"job", "instance"} else name for name in names)


def _service_families() -> Iterable[Metric]:
    made = Metrics("known")
    made.watch_switches(lambda _: False)
    made.watch_queue(lambda: 0)
    made.watch_spool(lambda: 0)
    made.watch_pool(lambda: (0, 0, 0))
    made.watch_jobs(list, dict)
    made.watch_load_runs(list)
    made.alerts.watch(lambda: 0)
    return made.registry.collect()
