-- What the retention would take away, and what it took.

-- name: retention_last
-- The newest run that went to its end; no row before the first.
SELECT
    r.finished_at,
    r.cutoff,
    r.chunks,
    r.keys,
    r.letters
FROM retention_runs AS r
ORDER BY r.finished_at DESC
LIMIT 1;

-- name: retention_rows
-- Counted, not estimated: what is taken away is not brought back.
SELECT count(*) AS rows
FROM decision_insights AS d
WHERE d.created_at < %(before)s;

-- name: retention_beside
SELECT
    (
        SELECT count(*)
        FROM decision_keys AS k
        WHERE k.created_at < %(keys_before)s
    ) AS keys,
    (
        SELECT count(*)
        FROM decision_dead_letters AS l
        WHERE l.buried_at < %(cutoff)s
    ) AS letters;

-- name: retention_drop_chunks
SELECT d.chunk
FROM drop_old_chunks(%(before)s) AS d (chunk);

-- name: retention_prune_keys
SELECT prune_keys(%(before)s, %(most)s) AS gone;

-- name: retention_prune_letters
SELECT prune_letters(%(before)s, %(most)s) AS gone;

-- name: retention_record
INSERT INTO retention_runs (cutoff, chunks, keys, letters)
VALUES (%(cutoff)s, %(chunks)s, %(keys)s, %(letters)s);

-- name: retention_vacuum_keys
VACUUM (ANALYZE) decision_keys;

-- name: retention_vacuum_letters
VACUUM (ANALYZE) decision_dead_letters;

-- name: retention_analyze
ANALYZE decision_insights;
