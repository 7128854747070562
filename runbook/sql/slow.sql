-- Which statements take the database's time.

-- name: slow_statements
-- Texts are normalised: constants are $1, $2. Planning is not counted.
SELECT
    s.queryid AS id,
    r.rolname AS role,
    s.calls,
    s.total_exec_time AS total_ms,
    s.mean_exec_time AS mean_ms,
    s.max_exec_time AS max_ms,
    s.rows,
    s.shared_blks_hit AS blocks_hit,
    s.shared_blks_read AS blocks_read,
    s.temp_blks_written AS temp_blocks,
    s.query,
    s.total_exec_time / nullif(sum(s.total_exec_time) OVER (), 0) AS share
FROM pg_stat_statements AS s
INNER JOIN pg_roles AS r ON s.userid = r.oid
INNER JOIN pg_database AS d ON s.dbid = d.oid
WHERE
    d.datname = current_database()
    AND position('pg_stat_statements' IN s.query) = 0
    AND s.query <> '<insufficient privilege>'
ORDER BY
    CASE %(by)s::text WHEN 'mean' THEN s.mean_exec_time ELSE s.total_exec_time END DESC, -- noqa: RF02
    s.queryid ASC
LIMIT %(most)s;
