-- What the kept snapshots say about the load.

-- name: load_days
-- The busiest intervals of a day, without the very last of them: one spike is no trend.
SELECT
    date_trunc('day', m.at, 'UTC') AS day,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY m.throughput) AS peak,
    avg(m.throughput) AS mean,
    max(m.replicas) AS replicas,
    max(m.rss_bytes_most) AS rss_bytes
FROM metric_snapshots AS m
GROUP BY day
ORDER BY day;

-- name: load_costs
-- Requests of a replica and the CPU of the busiest, by hour.
SELECT
    avg(m.throughput / m.replicas) AS requests,
    avg(m.cpu_percent_most) AS cpu_percent
FROM metric_snapshots AS m
WHERE m.replicas > 0
GROUP BY date_trunc('hour', m.at, 'UTC')
ORDER BY date_trunc('hour', m.at, 'UTC') DESC
LIMIT %(most)s;

-- name: highest_good_run
-- The newest load test whose load rose until something gave way, or until its end.
SELECT
    l.highest_good_per_s AS requests,
    l.replicas,
    l.finished_at,
    l.gave_way,
    l.release
FROM load_runs AS l
WHERE l.highest_good_per_s > 0 AND l.verdict = 'passed'
ORDER BY l.finished_at DESC
LIMIT 1;
