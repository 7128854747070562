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

-- name: runs_without_record
-- Run ids that rows carry and no record does. By the index from one id to the next, since a run has millions
-- of rows.
WITH RECURSIVE ids AS (
    (
        SELECT d.run_id FROM decision_insights AS d
        WHERE d.run_id IS NOT NULL
        ORDER BY d.run_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT d.run_id FROM decision_insights AS d
        WHERE d.run_id > ids.run_id
        ORDER BY d.run_id
        LIMIT 1
    )
    FROM ids
    WHERE ids.run_id IS NOT NULL
)

SELECT ids.run_id
FROM ids
WHERE
    ids.run_id IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM load_runs AS l
        WHERE l.run_id = ids.run_id
    );
