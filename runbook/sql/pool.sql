-- Who holds the database's connections.

-- name: connection_limits
SELECT
    current_setting('max_connections')::integer AS most,
    current_setting('superuser_reserved_connections')::integer
    + current_setting('reserved_connections')::integer AS kept_back;

-- name: sessions
-- Clients only. When it began its present state, and the process and its start name a session for good. One
-- that holds an advisory lock keeps others out while it lives, as a load test does: it is idle on purpose.
SELECT
    a.pid,
    a.backend_start,
    a.usename AS role,
    a.application_name AS application,
    host(a.client_addr) AS address,
    coalesce(a.state, 'unknown') AS state,
    extract(EPOCH FROM now() - a.state_change)::double precision AS state_s,
    coalesce(pg_has_role(a.usesysid, 'MEMBER'), FALSE) AND NOT EXISTS (
        SELECT FROM pg_locks AS l
        WHERE l.pid = a.pid AND l.locktype = 'advisory'
    ) AS may_be_ended
FROM pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
ORDER BY state_s DESC NULLS LAST, a.pid ASC;

-- name: end_idle_session
-- Only if it is still the same session, and has been idle all the time.
SELECT pg_terminate_backend(a.pid) AS ended
FROM pg_stat_activity AS a
WHERE
    a.pid = %(pid)s
    AND a.backend_start = %(backend_start)s
    AND a.state = 'idle'
    AND a.state_change < now() - make_interval(secs => %(idle_s)s);
