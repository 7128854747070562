-- What whoever runs the schedule writes; read by runbook/sql_session.py.

-- name: record_job_run
-- A record sent twice, since the first answer was lost, stands once.
INSERT INTO job_runs (run_id, job, started_at, finished_at, outcome, exit_code, detail)
VALUES (
    %(run_id)s, %(job)s, %(started_at)s, %(finished_at)s, %(outcome)s, %(exit_code)s, %(detail)s::jsonb
)
ON CONFLICT (run_id) DO NOTHING;

-- name: prune_job_runs
SELECT prune_job_runs(1000) AS gone;

-- name: declare_jobs
-- The whole of what one runner does: what is new counts from now, what it does no more is taken away.
WITH wanted AS (
    SELECT
        w.job,
        w.schedule,
        w.limit_s,
        w.due_within_s
    FROM jsonb_to_recordset(%(jobs)s::jsonb) AS w (
        job text, schedule text, limit_s integer, due_within_s bigint
    )
),

gone AS (
    DELETE FROM scheduled_jobs AS s
    WHERE s.runner = %(runner)s AND s.job NOT IN (SELECT w.job FROM wanted AS w)
)

INSERT INTO scheduled_jobs (job, runner, schedule, limit_s, due_within_s)
SELECT
    w.job,
    %(runner)s,
    w.schedule,
    w.limit_s,
    w.due_within_s
FROM wanted AS w
ON CONFLICT (job) DO UPDATE SET
    runner = excluded.runner,
    schedule = excluded.schedule,
    limit_s = excluded.limit_s,
    due_within_s = excluded.due_within_s;
