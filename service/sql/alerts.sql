-- Statements of the alerts.

-- name: alert_revision
SELECT b.revision
FROM alert_book AS b;

-- name: alert_book
SELECT
    b.revision,
    b.book::text
FROM alert_book AS b;

-- name: alert_write
-- Book and events in one transaction, or neither: whoever read an older revision writes nothing and gets
-- no row. An event that is there already came from a write whose outcome was in doubt.
WITH written AS (
    UPDATE alert_book AS b
    SET
        revision = b.revision + 1,
        book = %(book)s::jsonb,
        written_at = now()
    WHERE b.revision = %(expected)s
    RETURNING b.revision
),

recorded AS (
    INSERT INTO alert_history (
        event_id, status, at, alert_id, rule_id, metric, severity, alert
    )
    SELECT
        e.event_id,
        e.status,
        to_timestamp(e.at) AS at,
        e.alert_id,
        e.rule_id,
        e.metric,
        e.severity,
        e.alert
    FROM
        jsonb_to_recordset(%(events)s::jsonb)
            AS e (
                event_id text,
                status text,
                at double precision,
                alert_id text,
                rule_id text,
                metric text,
                severity text,
                alert jsonb
            )
    WHERE EXISTS (SELECT 1 FROM written)
    ON CONFLICT (event_id) DO NOTHING
)

SELECT w.revision
FROM written AS w;

-- name: alert_history
SELECT
    h.event_id,
    h.status,
    h.alert::text,
    extract(EPOCH FROM h.at)::double precision AS at
FROM alert_history AS h
WHERE
    (%(metric)s::text IS NULL OR h.metric = %(metric)s::text)
    AND (%(status)s::text IS NULL OR h.status = %(status)s::text)
    AND (%(severity)s::text IS NULL OR h.severity = %(severity)s::text)
ORDER BY h.at DESC, h.event_id DESC
LIMIT %(most)s;

-- name: prune_alert_history
SELECT prune_alert_history(%(most)s);

-- name: alert_lead
-- Held by this connection until it ends. Taking it again would count, so it is asked for first.
SELECT
    EXISTS (
        SELECT 1
        FROM pg_locks AS l
        WHERE
            l.locktype = 'advisory'
            AND l.pid = pg_backend_pid()
            AND l.classid = 1634558323
            AND l.objid = 1
            AND l.granted
    )
    OR pg_try_advisory_lock(1634558323, 1) AS held;

-- name: alert_leave
SELECT pg_advisory_unlock_all();
