-- The schedule: what should run, and what ran. Both are written by whoever runs it, as amas_jobs.
CREATE TABLE scheduled_jobs (
    job text PRIMARY KEY CHECK (job ~ '^[a-z][a-z0-9-]{0,39}$'),
    -- Where it runs: a part of the stack, or host.
    runner text NOT NULL,
    schedule text NOT NULL,
    limit_s integer NOT NULL CHECK (limit_s > 0),
    -- A success older than this is late; before the first one it is counted from `since`.
    due_within_s bigint NOT NULL CHECK (due_within_s > 0),
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE job_runs (
    -- Made by the runner, so that a record sent twice stands here once.
    run_id text COLLATE "C" PRIMARY KEY,
    job text NOT NULL CHECK (job ~ '^[a-z][a-z0-9-]{0,39}$'),
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL CHECK (finished_at >= started_at),
    outcome text NOT NULL CHECK (outcome IN ('ok', 'failed', 'timed_out', 'skipped')),
    -- Null where nothing was started, or a signal ended it.
    exit_code integer,
    -- What the command printed, where that was one JSON object; else why there is none.
    detail jsonb NOT NULL CHECK (jsonb_typeof(detail) = 'object'),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX job_runs_newest
ON job_runs (job, finished_at DESC)
WHERE outcome <> 'skipped';

CREATE INDEX job_runs_newest_success
ON job_runs (job, finished_at DESC)
WHERE outcome = 'ok';

CREATE INDEX job_runs_by_time
ON job_runs (finished_at);

-- Whoever records a run may take away what is older than 400 days and nothing else, so the age is no
-- parameter. The newest success of a job stays, however old it is: without it nobody could tell how late.
CREATE FUNCTION prune_job_runs(most integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM job_runs AS r
    WHERE r.run_id IN (
        SELECT o.run_id FROM job_runs AS o
        WHERE
            o.finished_at < now() - interval '400 days'
            AND o.run_id <> ALL (
                SELECT DISTINCT ON (s.job) s.run_id FROM job_runs AS s
                WHERE s.outcome = 'ok'
                ORDER BY s.job, s.finished_at DESC
            )
        ORDER BY o.finished_at
        LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION prune_job_runs(integer) FROM public;

-- What amas_reader may read, amas_jobs may too: it is a member.
GRANT SELECT, INSERT ON job_runs TO amas_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON scheduled_jobs TO amas_jobs;
GRANT EXECUTE ON FUNCTION prune_job_runs(integer) TO amas_jobs;

-- The retention can be applied by a verb as well; the functions keep what is younger than a day.
GRANT INSERT ON retention_runs TO amas_jobs;
GRANT EXECUTE ON FUNCTION
drop_old_chunks(timestamptz),
prune_keys(timestamptz, integer),
prune_letters(timestamptz, integer)
TO amas_jobs;

GRANT SELECT ON scheduled_jobs, job_runs TO amas_app, amas_reader;

-- Enough to tell when and how; nothing of what a run said.
GRANT SELECT ON scheduled_jobs TO amas_monitor;
GRANT SELECT (job, started_at, finished_at, outcome, exit_code) ON job_runs TO amas_monitor;
