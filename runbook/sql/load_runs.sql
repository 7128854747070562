-- What whoever ran a load test writes.

-- name: record_load_run
-- A record sent twice, since the first answer was lost, stands once.
INSERT INTO load_runs (
    run_id,
    started_at,
    finished_at,
    test,
    profile,
    release,
    replicas,
    verdict,
    p95_ms,
    p99_ms,
    error_ratio,
    requests_per_s,
    highest_good_per_s,
    gave_way
)
VALUES (
    %(run_id)s,
    %(started_at)s,
    %(finished_at)s,
    %(test)s,
    %(profile)s,
    %(release)s,
    %(replicas)s,
    %(verdict)s,
    %(p95_ms)s,
    %(p99_ms)s,
    %(error_ratio)s,
    %(requests_per_s)s,
    %(highest_good_per_s)s,
    %(gave_way)s
)
ON CONFLICT (run_id) DO NOTHING;

-- name: lock_load_test
-- Until this session ends, however it ends. Any number will do that nobody else in this database locks.
SELECT pg_try_advisory_lock(1634558325) AS is_ours;
