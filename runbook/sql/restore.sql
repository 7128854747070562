-- Of a restored server, before it serves.

-- name: restored_state
-- The file's name says it at once; the control file only after the next checkpoint.
SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline;
