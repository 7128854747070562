-- What a backup is compared by: all of it at one moment, which the WAL knows by a name.

-- name: backup_one_snapshot
SET default_transaction_isolation = 'repeatable read';

-- name: backup_fix_snapshot
SELECT pg_current_snapshot()::text AS snapshot;

-- name: backup_read_heaps
-- An index can tell how many rows there were; only the table itself tells how many there are.
SET enable_indexonlyscan = off;

-- name: backup_begin
BEGIN;

-- name: backup_quick_commit
-- A backup must not wait for its own receiver.
SET LOCAL synchronous_commit = 'local';

-- name: backup_hold
-- Writers stand still for the moment it takes to name it. Asked for in small bites, shorter than
-- deadlock_timeout: it is we who give way, and whoever waits behind us waits 0.3 s. Only when that has failed
-- for a while longer ones, since an autovacuum gives way to nothing shorter.
DO $$
DECLARE
    tables text := (
        SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY c.relname)
        FROM pg_class AS c
        INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
        WHERE
            n.nspname = 'public' AND c.relkind IN ('r', 'p')
            AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
    );
BEGIN
    FOR attempt IN 1..40 LOOP
        PERFORM set_config('lock_timeout', CASE WHEN attempt <= 20 THEN '300ms' ELSE '1500ms' END, TRUE);
        BEGIN
            IF tables IS NOT NULL THEN
                EXECUTE format('LOCK TABLE %s IN SHARE MODE', tables);
            END IF;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.05 + random() * 0.2);
        END;
    END LOOP;
    RAISE lock_not_available USING MESSAGE = 'somebody has held a table for longer than a backup waits';
END
$$;

-- name: backup_restore_point
-- The transaction id makes the COMMIT flush what was written.
SELECT
    pg_create_restore_point(%(mark)s)::text AS lsn,
    clock_timestamp() AS at,
    pg_current_xact_id()::text AS xid;

-- name: backup_commit
COMMIT;

-- name: backup_received
SELECT
    coalesce(bool_or(state = 'streaming'), FALSE) AS streams,
    coalesce(max(flush_lsn) >= %(lsn)s::pg_lsn, FALSE) AS received
FROM pg_stat_replication
WHERE application_name = 'barman_receive_wal';

-- name: backup_server
SELECT
    current_setting('server_version') AS server_version,
    current_setting('max_connections')::int AS max_connections,
    pg_database_size(current_database()) AS size_bytes,
    (SELECT json_object_agg(extname, extversion) FROM pg_extension) AS extensions;

-- name: backup_figures
-- A statement for each table of ours; together they are its rows. The newest: of a hypertable by the column
-- it is cut by, of others by their first timestamp that is never null.
SELECT
    format(
        'SELECT %L AS name, count(*) AS rows, max(%s)::text AS newest, %L::bool AS is_hypertable FROM %I.%I',
        format('%s.%s', n.nspname, c.relname),
        coalesce(quote_ident(h.column_name), quote_ident(a.attname), 'NULL::timestamptz'),
        h.column_name IS NOT NULL,
        n.nspname,
        c.relname
    ) AS statement
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN timescaledb_information.dimensions AS h
    ON n.nspname = h.hypertable_schema AND c.relname = h.hypertable_name AND h.dimension_number = 1
LEFT JOIN LATERAL (
    SELECT t.attname
    FROM pg_attribute AS t
    WHERE
        t.attrelid = c.oid AND t.attnum > 0 AND t.attnotnull AND NOT t.attisdropped
        AND t.atttypid = 'timestamptz'::regtype
    ORDER BY t.attnum
    LIMIT 1
) AS a ON TRUE
WHERE
    n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.objid = c.oid AND d.deptype = 'e'
    )
ORDER BY c.relname;

-- name: backup_schema
SELECT md5(coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '')) AS hash
FROM (
    SELECT
        format(
            'column %s.%s %s %s %s %s',
            c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid), a.attacl
        ) AS line
    FROM pg_class AS c
    INNER JOIN pg_attribute AS a ON c.oid = a.attrelid -- noqa: ST09
    LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE
        c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
        AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('relation %s %s %s %s', c.relname, c.relkind, c.relowner::regrole, c.relacl)
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('view %s %s', c.relname, pg_get_viewdef(c.oid))
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v'
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid))
    FROM pg_index AS i
    INNER JOIN pg_class AS c ON i.indrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('constraint %s %s %s', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid))
    FROM pg_constraint AS o
    WHERE o.connamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('function %s %s', p.proacl, pg_get_functiondef(p.oid))
    FROM pg_proc AS p
    WHERE
        p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.objid = p.oid AND d.deptype = 'e'
        )
) AS lines;

-- name: backup_newest_insights
-- What readers of the service see, newest first: content, not only counts.
SELECT
    count(*) AS rows,
    md5(string_agg(i.decision_id || i.insight::text, E'\n' ORDER BY i.created_at DESC, i.decision_id DESC))
        AS digest
FROM (
    SELECT
        decision_id,
        created_at,
        insight
    FROM insights
    ORDER BY created_at DESC, decision_id DESC
    LIMIT 1000
) AS i;

-- name: backup_replay
SELECT
    pg_is_in_recovery() AS in_recovery,
    pg_is_in_recovery() AND pg_get_wal_replay_pause_state() = 'paused' AS paused;

-- name: backup_promote
SELECT pg_promote(TRUE, 300) AS promoted;

-- name: backup_slot
-- How the receiver stands, in the database's own words.
SELECT
    s.slot_name,
    s.active,
    s.wal_status,
    s.safe_wal_size::bigint AS safe_bytes,
    r.state,
    r.sync_state,
    pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint AS retained_bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), r.flush_lsn)::bigint AS lag_bytes,
    extract(EPOCH FROM now() - r.reply_time)::float AS reply_age_s
FROM pg_replication_slots AS s
LEFT JOIN pg_stat_replication AS r ON s.active_pid = r.pid
WHERE s.slot_name = 'amas_barman';
