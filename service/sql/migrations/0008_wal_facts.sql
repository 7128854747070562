-- How far the backup's receiver has the WAL, and how much is kept for it. The service may not see sessions
-- of others, so it asks with its owner's rights. Without a slot the last four are null.
CREATE FUNCTION wal_facts()
RETURNS TABLE (
    synchronous boolean,
    lag_bytes bigint,
    heard_at timestamptz,
    away_since timestamptz,
    retained_bytes bigint,
    safe_bytes bigint,
    slot_lost boolean
)
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        current_setting('synchronous_standby_names') <> '',
        pg_wal_lsn_diff(n.lsn, coalesce(r.flush_lsn, s.restart_lsn))::bigint,
        coalesce(r.reply_time, s.inactive_since),
        s.inactive_since,
        pg_wal_lsn_diff(n.lsn, s.restart_lsn)::bigint,
        s.safe_wal_size,
        s.wal_status = 'lost'
    FROM (SELECT pg_current_wal_flush_lsn() AS lsn) AS n
    LEFT JOIN pg_replication_slots AS s ON s.slot_name = 'amas_barman'
    LEFT JOIN pg_stat_replication AS r ON s.active_pid = r.pid
$$;

REVOKE ALL ON FUNCTION wal_facts() FROM public;
GRANT EXECUTE ON FUNCTION wal_facts() TO amas_app;
