-- Whether the WAL receiver has confirmed what was on this disk at the last look, and what is on it now.
-- Variable: position. One that hangs is connected and confirms nothing; so does one that does not sync.
SELECT
    coalesce(bool_or(r.flush_lsn >= :'position'::pg_lsn), FALSE) AS kept_up,
    pg_current_wal_flush_lsn() AS position
FROM pg_stat_replication AS r
WHERE r.application_name = 'barman_receive_wal' AND r.state = 'streaming';
