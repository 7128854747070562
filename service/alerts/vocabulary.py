"""Every metric a rule may name, with its unit and meaning: what the samples of an evaluation are made of."""

from typing import NamedTuple


class Metric(NamedTuple):
    """`window` is what the value was measured over; empty: the last measurement."""

    unit: str
    meaning: str
    window: str = ""


METRICS = {
    "http.throughput": Metric("req/s", "requests answered", "5m"),
    "http.throughput.under_demand": Metric(
        "req/s", "the same, there only while demand was refused or the queue was above 500", "5m"
    ),
    "http.latency.p50": Metric("ms", "half of the requests took at most this long", "5m"),
    "http.latency.p95": Metric("ms", "95 of 100 requests took at most this long", "5m"),
    "http.latency.p99": Metric("ms", "99 of 100 requests took at most this long", "5m"),
    "decision.latency.p99": Metric("ms", "99 of 100 decisions were stored within this time", "5m"),
    "http.error_rate.5xx": Metric("percent", "requests answered with 500 to 599", "5m"),
    "monitoring.overhead": Metric("ms per request", "time spent on measuring", "5m"),
    "cache.hit_rate": Metric("percent", "insights answered from the cache", "15m"),
    "cache.up": Metric("0 or 1", "the cache answers"),
    "queue.size": Metric("rows", "decisions taken and not yet answered, all replicas"),
    "queue.age_s": Metric("s", "how long the oldest of them has waited"),
    "db.up": Metric("0 or 1", "the database answers"),
    "db.pool.utilization": Metric("percent", "connections in use, of those a replica may open"),
    "db.pool.waiting": Metric("requests", "waiting for a connection"),
    "spool.up": Metric("0 or 1", "the queue's Redis takes what the database cannot"),
    "spool.length": Metric("decisions", "waiting in the spool for the database"),
    "spool.age_s": Metric("s", "how long the oldest decision has lain in the spool"),
    "spool.fill": Metric("percent", "of the spool's memory in use"),
    "dead_letters.count": Metric("decisions", "refused by the database and kept apart"),
    "dead_letters.age_s": Metric("s", "how long the oldest dead letter has lain there"),
    "chunk.oldest_age_days": Metric("days", "age of the oldest chunk of insights"),
    "chunk.overdue_days": Metric("days", "by which that age exceeds INSIGHTS_RETENTION_DAYS"),
    "retention.age_s": Metric("s", "since old insights were last dropped"),
    "wal.sync_degraded": Metric("0 or 1", "commits are to wait for the backup's receiver and do not"),
    "wal.receiver_age_s": Metric("s", "since the backup's receiver was last heard"),
    "wal.receiver_lag_bytes": Metric("bytes", "of WAL that the backup does not have yet"),
    "slot.retained_bytes": Metric("bytes", "of WAL that the database keeps for the backup"),
    "slot.fill": Metric("percent", "of the WAL that it may keep"),
    "slot.minutes_left": Metric(
        "minutes", "until it has to drop WAL that the backup lacks; there only while the receiver is away"
    ),
    "slot.lost": Metric("0 or 1", "it had to: what came since the last full copy has a gap"),
    "replicas.live": Metric("replicas", "that reported lately"),
    "replicas.missing": Metric("replicas", "expected and not live"),
    "collector.age_s": Metric("s", "since the last snapshot of the metrics"),
    "collector.age_intervals": Metric("intervals", "the same, in multiples of METRICS_COLLECTION_INTERVAL"),
    "event_loop.lag_ms": Metric("ms", "how late the slowest replica's event loop wakes"),
    "process.cpu": Metric("percent of one core", "the busiest replica"),
    "process.memory": Metric("MB", "resident memory of the largest replica"),
    "process.memory.utilization": Metric(
        "percent", "of its memory limit, in the replica that is nearest to it"
    ),
    "heartbeat.age_s": Metric("s", "since the outside watchdog last took a heartbeat"),
    "notifier.age_s": Metric("s", "how long the oldest notification has waited"),
    "notifier.failing": Metric("0 or 1", "the receiver refused the last notification, or did not answer"),
    "alerts.per_minute": Metric("alerts", "that began to fire", "60s"),
    "job.backup.late_s": Metric("s", "since the backup of the database should have ended well"),
    "job.backup.failed": Metric("0 or 1", "the backup of the database failed the last time"),
    "job.proof.late_s": Metric("s", "since the restore proof should have ended well"),
    "job.proof.failed": Metric("0 or 1", "the restore proof failed the last time"),
    "job.offsite.late_s": Metric("s", "since the copy off site should have ended well"),
    "job.offsite.failed": Metric("0 or 1", "the copy off site failed the last time"),
    "job.retention.late_s": Metric("s", "since the look at the retention should have ended well"),
    "job.retention.failed": Metric("0 or 1", "the look at the retention failed the last time"),
    "job.health.late_s": Metric("s", "since the check of the stack's health should have ended well"),
    "job.health.failed": Metric("0 or 1", "the check of the stack's health failed the last time"),
    "job.autoscaler.late_s": Metric("s", "since the look at the autoscaler should have ended well"),
    "job.autoscaler.failed": Metric("0 or 1", "the autoscaler was blind or away at the last look"),
    "job.other.late_s": Metric("s", "since any other scheduled job should have ended well"),
    "job.other.failed": Metric("0 or 1", "any other scheduled job failed the last time"),
    "decision.conflicts": Metric("decisions", "with a known id and other content (409)", "5m"),
    "decision.refused": Metric("decisions", "that had to be sent again later (503)", "5m"),
}
