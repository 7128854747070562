-- What load tests found, run by run: written by whoever ran one, told by the service as metrics.
CREATE TABLE load_runs (
    -- Made by the runner, so that a record sent twice stands here once.
    run_id text COLLATE "C" PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL CHECK (finished_at >= started_at),
    test text NOT NULL CHECK (test ~ '^[a-z][a-z0-9-]{0,39}$'),
    profile text NOT NULL CHECK (profile ~ '^[a-z][a-z0-9-]{0,39}$'),
    -- What was tested: the release of the service.
    release text NOT NULL CHECK (length(release) BETWEEN 1 AND 64),
    replicas integer NOT NULL CHECK (replicas > 0),
    verdict text NOT NULL CHECK (verdict IN ('passed', 'failed', 'invalid')),
    -- Null where the run measured none.
    p95_ms double precision,
    p99_ms double precision,
    error_ratio double precision,
    requests_per_s double precision,
    -- Of a run whose load rises until something gives way: up to where all held, and what it was.
    highest_good_per_s double precision,
    gave_way text,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX load_runs_newest
ON load_runs (test, profile, release, finished_at DESC);

-- What amas_reader may read, amas_jobs may too: it is a member.
GRANT SELECT, INSERT ON load_runs TO amas_jobs;

GRANT SELECT ON load_runs TO amas_app, amas_reader, amas_monitor;
