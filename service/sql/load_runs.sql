-- The load tests, as the service tells of them.

-- name: newest_load_runs
-- The newest of each test, profile and release; of many releases those that were tested last.
SELECT
    n.test,
    n.profile,
    n.release,
    n.finished_at,
    n.verdict,
    n.p95_ms,
    n.p99_ms,
    n.error_ratio,
    n.requests_per_s,
    n.highest_good_per_s
FROM (
    SELECT DISTINCT ON (r.test, r.profile, r.release) r.*
    FROM load_runs AS r
    ORDER BY r.test ASC, r.profile ASC, r.release ASC, r.finished_at DESC
) AS n
ORDER BY n.finished_at DESC
LIMIT %(most)s;
