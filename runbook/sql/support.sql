-- What somebody who helps asks first of a database; no row of a trace.
SELECT version();

SELECT
    e.extname,
    e.extversion
FROM pg_extension AS e
ORDER BY e.extname;

SELECT
    m.number,
    m.name,
    m.applied_at
FROM schema_migrations AS m
ORDER BY m.number;

SELECT pg_size_pretty(pg_database_size(current_database())) AS database_size;

SELECT
    h.hypertable_name,
    h.num_chunks
FROM timescaledb_information.hypertables AS h
ORDER BY h.hypertable_name;

SELECT
    a.usename,
    a.application_name,
    a.state,
    count(*) AS sessions,
    max(now() - a.state_change) AS longest
FROM pg_stat_activity AS a
GROUP BY a.usename, a.application_name, a.state
ORDER BY sessions DESC;

SELECT
    s.name,
    s.setting
FROM pg_settings AS s
WHERE s.source NOT IN ('default', 'override')
ORDER BY s.name;
