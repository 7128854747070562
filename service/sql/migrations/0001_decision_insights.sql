-- Decisions, a hypertable in daily chunks: at 10 rows a second a chunk holds about 0.7 GB, and 90 of
-- them keep planning cheap. A hypertable's unique index must hold the time column, so created_at is
-- a function of decision_id: a UUIDv7 carries it, every other id is claimed once in decision_keys.
CREATE TABLE decision_insights (
    decision_id text NOT NULL,
    created_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    user_id text NOT NULL,
    action text NOT NULL,
    duration_ms double precision NOT NULL CHECK (duration_ms >= 0),
    state_snapshot jsonb NOT NULL,
    difficulty_factors jsonb NOT NULL,
    triggers jsonb NOT NULL,
    extra jsonb NOT NULL,
    run_id text,
    content_hash bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (decision_id, created_at)
);

SELECT create_hypertable(
    'decision_insights',
    by_range('created_at', interval '1 day'),
    create_default_indexes => FALSE
);

CREATE INDEX decision_insights_newest
ON decision_insights (created_at DESC, decision_id DESC);

CREATE INDEX decision_insights_by_user
ON decision_insights (user_id, created_at DESC, decision_id DESC);

CREATE INDEX decision_insights_by_run
ON decision_insights (run_id)
WHERE run_id IS NOT NULL;

CREATE TABLE decision_keys (
    decision_id text PRIMARY KEY,
    created_at timestamptz NOT NULL,
    content_hash bytea NOT NULL
);

-- Retention prunes the keys by time, beside the chunks.
CREATE INDEX decision_keys_by_time
ON decision_keys (created_at);

-- What the database refused although the screen let it pass. One row for each content.
CREATE TABLE decision_dead_letters (
    letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id text NOT NULL,
    content_hash bytea NOT NULL UNIQUE,
    run_id text,
    sqlstate text NOT NULL,
    reason text NOT NULL,
    raw bytea NOT NULL,
    buried_at timestamptz NOT NULL DEFAULT now()
);

-- A row as it is answered: the trace's own fields, unknown ones included, and the time it is filed under.
CREATE VIEW insights AS
SELECT
    d.decision_id,
    d.created_at,
    d.user_id,
    d.extra || jsonb_build_object(
        'decisionId', d.decision_id,
        'userId', d.user_id,
        'occurredAt', to_char(d.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'createdAt', to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'action', d.action,
        'durationMs', d.duration_ms,
        'stateSnapshot', d.state_snapshot,
        'difficultyFactors', d.difficulty_factors,
        'triggers', d.triggers
    ) AS insight
FROM decision_insights AS d;

GRANT SELECT, INSERT ON
decision_insights, decision_keys, decision_dead_letters
TO amas_app;

GRANT SELECT ON
decision_insights, decision_keys, decision_dead_letters, insights
TO amas_reader;

GRANT SELECT ON insights TO amas_app;

-- Enough to count and to tell ages; nothing of what a trace says.
GRANT SELECT (created_at, stored_at, run_id) ON decision_insights TO amas_monitor;
GRANT SELECT (created_at) ON decision_keys TO amas_monitor;
GRANT SELECT (letter_id, sqlstate, buried_at) ON decision_dead_letters TO amas_monitor;
