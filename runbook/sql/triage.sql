-- What the triage asks of the database: one row, no trace.
-- name: triage_facts
SELECT
    (pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on')::integer
        AS takes_no_writes,
    100.0 * count(*) / current_setting('max_connections')::integer AS connections_percent,
    coalesce(
        max(extract(EPOCH FROM now() - a.query_start)) FILTER (WHERE a.state = 'active'), 0
    ) AS active_s,
    coalesce(
        max(extract(EPOCH FROM now() - a.state_change)) FILTER (WHERE a.state LIKE 'idle in transaction%'), 0
    ) AS idle_in_transaction_s,
    count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting_for_locks,
    coalesce(
        max(extract(EPOCH FROM now() - a.query_start)) FILTER (WHERE a.wait_event_type = 'Lock'), 0
    ) AS lock_wait_s,
    count(*) FILTER (WHERE a.wait_event IN ('WALSync', 'WALWrite', 'SyncRep')) AS waiting_for_wal
FROM pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND a.pid != pg_backend_pid();
