-- What the reviews of the alert rules go by.
-- name: audit_events
-- Each transition of the span, in order; an end may belong to a beginning before it.
SELECT
    h.rule_id,
    h.alert_id,
    h.severity,
    h.status,
    extract(EPOCH FROM h.at)::double precision AS at
FROM alert_history AS h
WHERE h.at > now() - make_interval(days => %(days)s)
ORDER BY h.at, h.event_id;

-- name: audit_percentiles
-- Of the intervals in which anything was measured; load and smoke runs are left out as they were counted.
SELECT
    count(*) AS intervals,
    extract(EPOCH FROM coalesce(max(s.at) - min(s.at), interval '0'))::double precision / 86400 AS days,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.p95_ms) AS p95_ms,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.p99_ms) AS p99_ms,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.error_rate_percent)
        AS error_rate_percent,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.cache_hit_rate_percent)
        AS cache_hit_rate_percent,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.queue_rows) AS queue_rows,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.cpu_percent_most)
        AS cpu_percent_most,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.rss_bytes_most / 1e6)
        AS rss_megabytes_most,
    percentile_cont(ARRAY[0.01, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY s.event_loop_lag_ms_most)
        AS event_loop_lag_ms_most,
    count(s.p99_ms) AS p99_ms_count,
    count(s.cache_hit_rate_percent) AS cache_hit_rate_percent_count
FROM metric_snapshots AS s
WHERE s.at > now() - make_interval(days => %(days)s);
