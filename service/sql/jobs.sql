-- The schedule, as the service tells of it.

-- name: standing_jobs
-- Every job that is scheduled or ever ran, with its newest run and its newest success: each is one step into
-- an index, however many runs there are. A job that was skipped still runs; that says nothing of it.
WITH RECURSIVE ran (job) AS (
    SELECT min(r.job) FROM job_runs AS r
    WHERE r.outcome <> 'skipped'
    UNION ALL
    SELECT
        (
            SELECT min(r.job) FROM job_runs AS r
            WHERE r.outcome <> 'skipped' AND r.job > ran.job
        )
    FROM ran
    WHERE ran.job IS NOT NULL
),

known AS (
    SELECT ran.job FROM ran
    WHERE ran.job IS NOT NULL
    UNION
    SELECT s.job FROM scheduled_jobs AS s
)

SELECT
    k.job,
    s.runner,
    s.schedule,
    s.limit_s,
    s.due_within_s,
    s.since,
    l.started_at,
    l.finished_at,
    l.outcome,
    l.exit_code,
    l.detail,
    g.started_at AS good_started_at,
    g.finished_at AS good_finished_at,
    g.exit_code AS good_exit_code,
    g.detail AS good_detail
FROM known AS k
LEFT JOIN scheduled_jobs AS s ON k.job = s.job
LEFT JOIN LATERAL (
    SELECT
        r.started_at,
        r.finished_at,
        r.outcome,
        r.exit_code,
        r.detail
    FROM job_runs AS r
    WHERE r.job = k.job AND r.outcome <> 'skipped'
    ORDER BY r.finished_at DESC
    LIMIT 1
) AS l ON TRUE
LEFT JOIN LATERAL (
    SELECT
        r.started_at,
        r.finished_at,
        r.exit_code,
        r.detail
    FROM job_runs AS r
    WHERE r.job = k.job AND r.outcome = 'ok'
    ORDER BY r.finished_at DESC
    LIMIT 1
) AS g ON TRUE
ORDER BY k.job;
