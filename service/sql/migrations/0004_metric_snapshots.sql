-- The whole cluster's figures, one row for each interval: percentiles are of all requests of all replicas.
-- Null means that nothing was measured. 2,880 rows a day at 30 s, so a chunk holds a week.
CREATE TABLE metric_snapshots (
    at timestamptz NOT NULL PRIMARY KEY,
    interval_s double precision NOT NULL,
    replicas integer NOT NULL,
    requests bigint NOT NULL,
    errors bigint NOT NULL,
    refused bigint NOT NULL,
    conflicts bigint NOT NULL,
    run_requests bigint NOT NULL,
    stored bigint NOT NULL,
    throughput double precision NOT NULL,
    decisions_per_second double precision NOT NULL,
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision,
    error_rate_percent double precision,
    cache_hit_rate_percent double precision,
    queue_rows bigint NOT NULL,
    cpu_percent_most double precision NOT NULL,
    rss_bytes_most bigint NOT NULL,
    event_loop_lag_ms_most double precision NOT NULL,
    overhead_us double precision
);

SELECT create_hypertable(
    'metric_snapshots',
    by_range('at', interval '7 days'),
    create_default_indexes => FALSE
);

-- The service may drop what is older than 30 days and nothing else, so the age is no parameter.
CREATE FUNCTION drop_old_metric_snapshots()
RETURNS bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT count(*) FROM drop_chunks('metric_snapshots', older_than => interval '30 days')
$$;

REVOKE ALL ON FUNCTION drop_old_metric_snapshots() FROM public;

GRANT SELECT, INSERT ON metric_snapshots TO amas_app;
GRANT EXECUTE ON FUNCTION drop_old_metric_snapshots() TO amas_app;
GRANT SELECT ON metric_snapshots TO amas_reader, amas_monitor;
