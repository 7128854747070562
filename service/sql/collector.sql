-- Statements of the collector.

-- name: keep_intervals
-- The leader before may have written an interval already: then it stays as it is.
WITH incoming AS (
    SELECT *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
        at timestamptz,
        interval_s double precision,
        replicas integer,
        requests bigint,
        errors bigint,
        refused bigint,
        conflicts bigint,
        run_requests bigint,
        stored bigint,
        throughput double precision,
        decisions_per_second double precision,
        p50_ms double precision,
        p95_ms double precision,
        p99_ms double precision,
        error_rate_percent double precision,
        cache_hit_rate_percent double precision,
        queue_rows bigint,
        cpu_percent_most double precision,
        rss_bytes_most bigint,
        event_loop_lag_ms_most double precision,
        overhead_us double precision
    )
)

INSERT INTO metric_snapshots (
    at,
    interval_s,
    replicas,
    requests,
    errors,
    refused,
    conflicts,
    run_requests,
    stored,
    throughput,
    decisions_per_second,
    p50_ms,
    p95_ms,
    p99_ms,
    error_rate_percent,
    cache_hit_rate_percent,
    queue_rows,
    cpu_percent_most,
    rss_bytes_most,
    event_loop_lag_ms_most,
    overhead_us
)
SELECT
    i.at,
    i.interval_s,
    i.replicas,
    i.requests,
    i.errors,
    i.refused,
    i.conflicts,
    i.run_requests,
    i.stored,
    i.throughput,
    i.decisions_per_second,
    i.p50_ms,
    i.p95_ms,
    i.p99_ms,
    i.error_rate_percent,
    i.cache_hit_rate_percent,
    i.queue_rows,
    i.cpu_percent_most,
    i.rss_bytes_most,
    i.event_loop_lag_ms_most,
    i.overhead_us
FROM incoming AS i
ORDER BY i.at
ON CONFLICT (at) DO NOTHING;

-- name: drop_old_metric_snapshots
SELECT drop_old_metric_snapshots();
