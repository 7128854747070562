-- All statements of the running service: `-- name:` starts one, the lines under it say why.

-- name: ping
SELECT 1;

-- name: write_batch
-- Ids are distinct within a batch. Two writers never wait for each other in a circle, since all lock in
-- one order: first the keys, then the rows. The rows cannot start before the keys are all claimed: to
-- sort them they have to be filtered first. Newest first, since the newest chunk may have to be made,
-- and its lock has to come before those of rows. Answers the ids that were stored now.
WITH incoming AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
        decision_id text,
        created_at timestamptz,
        occurred_at timestamptz,
        keyed boolean,
        user_id text,
        action text,
        duration_ms double precision,
        state_snapshot jsonb,
        difficulty_factors jsonb,
        triggers jsonb,
        extra jsonb,
        content_hash text,
        run_id text
    )
),

claimed AS (
    INSERT INTO decision_keys (decision_id, created_at, content_hash)
    SELECT
        i.decision_id,
        i.created_at,
        decode(i.content_hash, 'hex') AS content_hash
    FROM incoming AS i
    WHERE i.keyed
    ORDER BY i.decision_id
    ON CONFLICT (decision_id) DO NOTHING
    RETURNING decision_id
),

stored AS (
    INSERT INTO decision_insights (
        decision_id, created_at, occurred_at, user_id, action, duration_ms,
        state_snapshot, difficulty_factors, triggers, extra, run_id, content_hash
    )
    SELECT
        i.decision_id,
        i.created_at,
        i.occurred_at,
        i.user_id,
        i.action,
        i.duration_ms,
        i.state_snapshot,
        i.difficulty_factors,
        i.triggers,
        i.extra,
        i.run_id,
        decode(i.content_hash, 'hex') AS content_hash
    FROM incoming AS i
    WHERE NOT i.keyed OR i.decision_id IN (SELECT c.decision_id FROM claimed AS c)
    ORDER BY i.created_at DESC, i.decision_id ASC
    ON CONFLICT (decision_id, created_at) DO NOTHING
    RETURNING decision_id
)

SELECT s.decision_id FROM stored AS s;

-- name: write_timed
-- write_batch for ids that all carry their time: without the keys a small batch costs a third less.
WITH incoming AS (
    SELECT *
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
        decision_id text,
        created_at timestamptz,
        occurred_at timestamptz,
        user_id text,
        action text,
        duration_ms double precision,
        state_snapshot jsonb,
        difficulty_factors jsonb,
        triggers jsonb,
        extra jsonb,
        content_hash text,
        run_id text
    )
)

INSERT INTO decision_insights (
    decision_id, created_at, occurred_at, user_id, action, duration_ms,
    state_snapshot, difficulty_factors, triggers, extra, run_id, content_hash
)
SELECT
    i.decision_id,
    i.created_at,
    i.occurred_at,
    i.user_id,
    i.action,
    i.duration_ms,
    i.state_snapshot,
    i.difficulty_factors,
    i.triggers,
    i.extra,
    i.run_id,
    decode(i.content_hash, 'hex') AS content_hash
FROM incoming AS i
ORDER BY i.created_at DESC, i.decision_id ASC
ON CONFLICT (decision_id, created_at) DO NOTHING
RETURNING decision_id;

-- name: identities
-- What the ids that were not stored now already hold, and the run they belong to.
SELECT
    k.decision_id,
    encode(k.content_hash, 'hex') AS content_hash,
    (
        SELECT d.run_id
        FROM decision_insights AS d
        WHERE d.decision_id = k.decision_id AND d.created_at = k.created_at
    ) AS run_id
FROM decision_keys AS k
WHERE k.decision_id = any(%(keyed)s::text[])
UNION ALL
SELECT
    d.decision_id,
    encode(d.content_hash, 'hex') AS content_hash,
    d.run_id
FROM unnest(%(timed)s::text[], %(times)s::timestamptz[]) AS u (decision_id, created_at)
INNER JOIN decision_insights AS d
    ON u.decision_id = d.decision_id AND u.created_at = d.created_at;

-- name: confirm_earlier_commits
-- A duplicate may have been committed on this server but not yet on the standby, after a cancelled
-- wait. A commit record of our own waits for everything before it.
SELECT pg_logical_emit_message(TRUE, 'amas.duplicate', '');

-- name: bury
-- No row when it was kept before; that commit is to be confirmed then.
INSERT INTO decision_dead_letters (decision_id, content_hash, run_id, sqlstate, reason, raw)
VALUES (
    %(decision_id)s, decode(%(letter_hash)s, 'hex'), %(run_id)s, %(sqlstate)s, %(reason)s, %(raw)s
)
ON CONFLICT (content_hash) DO NOTHING
RETURNING letter_id;

-- name: letters
-- Newest first; one that is buried meanwhile belongs before the first page, and never shifts a later one.
SELECT
    l.letter_id,
    l.decision_id,
    l.run_id,
    l.reason,
    l.sqlstate,
    l.buried_at,
    l.attempts,
    l.raw
FROM decision_dead_letters AS l
WHERE l.letter_id < %(before)s
ORDER BY l.letter_id DESC
LIMIT %(most)s;

-- name: letters_after
-- Oldest first, for a replay of all.
SELECT
    l.letter_id,
    l.decision_id,
    l.run_id,
    l.raw
FROM decision_dead_letters AS l
WHERE l.letter_id > %(after)s
ORDER BY l.letter_id
LIMIT %(most)s;

-- name: letter_ids_after
SELECT l.letter_id
FROM decision_dead_letters AS l
WHERE l.letter_id > %(after)s
ORDER BY l.letter_id
LIMIT %(most)s;

-- name: letters_of
SELECT
    l.letter_id,
    l.decision_id,
    l.run_id,
    l.raw
FROM decision_dead_letters AS l
WHERE l.letter_id = any(%(ids)s::bigint[]);

-- name: delete_letters
SELECT l.letter_id
FROM delete_letters(%(ids)s::bigint[]) AS l (letter_id);

-- name: mark_letters
SELECT mark_letters(%(ids)s::bigint[], %(reasons)s::text[], %(sqlstates)s::text[]);

-- name: purge_run_letters
SELECT l.letter_id
FROM purge_run_letters(%(run_id)s, %(most)s) AS l (letter_id);

-- name: chunks
SELECT
    c.range_start,
    c.range_end
FROM timescaledb_information.chunks AS c
WHERE c.hypertable_name = 'decision_insights';

-- name: drop_old_chunks
SELECT d.chunk
FROM drop_old_chunks(%(cutoff)s) AS d (chunk);

-- name: prune_keys
SELECT prune_keys(%(cutoff)s, %(most)s);

-- name: prune_letters
SELECT prune_letters(%(cutoff)s, %(most)s);

-- name: record_retention
INSERT INTO retention_runs (cutoff, chunks, keys, letters)
VALUES (%(cutoff)s, %(chunks)s, %(keys)s, %(letters)s);

-- name: last_retention
SELECT max(r.finished_at) FROM retention_runs AS r;

-- name: insight_facts
SELECT
    l.letters,
    l.oldest_letter,
    (SELECT max(r.finished_at) FROM retention_runs AS r) AS last_retention,
    (
        SELECT min(c.range_end)
        FROM timescaledb_information.chunks AS c
        WHERE c.hypertable_name = 'decision_insights'
    ) AS oldest_chunk_end
FROM (
    SELECT
        count(*) AS letters,
        min(d.buried_at) AS oldest_letter
    FROM decision_dead_letters AS d
) AS l;

-- name: wal_facts
SELECT
    w.synchronous,
    w.lag_bytes,
    w.heard_at,
    w.away_since,
    w.retained_bytes,
    w.safe_bytes,
    w.slot_lost
FROM wal_facts() AS w;

-- name: insight_by_time
-- A UUIDv7: its time leads to one chunk.
SELECT d.insight::text
FROM insights AS d
WHERE d.decision_id = %(decision_id)s AND d.created_at = %(created_at)s;

-- name: insight_by_key
-- Any other id: its key leads to the time, and so to one chunk.
SELECT d.insight::text
FROM insights AS d
WHERE
    d.decision_id = %(decision_id)s
    AND d.created_at = (
        SELECT k.created_at
        FROM decision_keys AS k
        WHERE k.decision_id = %(decision_id)s
    );

-- name: newest
SELECT
    d.insight::text,
    d.created_at,
    d.decision_id
FROM insights AS d
WHERE
    d.created_at >= %(since)s AND d.created_at < %(until)s
    AND (d.created_at, d.decision_id) < (%(before)s, %(before_id)s)
ORDER BY d.created_at DESC, d.decision_id DESC
LIMIT %(most)s;

-- name: newest_by_user
SELECT
    d.insight::text,
    d.created_at,
    d.decision_id
FROM insights AS d
WHERE
    d.user_id = %(user_id)s
    AND d.created_at >= %(since)s AND d.created_at < %(until)s
    AND (d.created_at, d.decision_id) < (%(before)s, %(before_id)s)
ORDER BY d.created_at DESC, d.decision_id DESC
LIMIT %(most)s;

-- name: rate
-- Rows of load and smoke runs are not traffic.
SELECT
    date_trunc('hour', d.created_at, 'UTC') AS hour,
    count(*) AS insights_written
FROM decision_insights AS d
WHERE d.created_at > %(since)s AND d.run_id IS NULL
GROUP BY hour
ORDER BY hour DESC;

-- name: count_run
SELECT count(*)
FROM decision_insights AS d
WHERE d.run_id = %(run_id)s;

-- name: purge_run
SELECT p.decision_id
FROM purge_run(%(run_id)s, %(most)s) AS p (decision_id);

-- name: migration_lock
-- Any number will do, as long as nobody else in this database locks the same.
SELECT pg_advisory_lock(1634558323);

-- name: migration_limits
-- A migration that waits behind live traffic would stop all of it.
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- name: create_schema_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
SELECT
    m.number,
    m.name,
    m.checksum
FROM schema_migrations AS m
ORDER BY m.number;

-- name: record_migration
INSERT INTO schema_migrations (number, name, checksum)
VALUES (%(number)s, %(name)s, %(checksum)s);
