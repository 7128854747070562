-- What a database is, as one JSON object.
SELECT json_build_object(
    'serverVersion', current_setting('server_version_num')::int,
    'timescaledb', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    'migrations', (SELECT coalesce(json_agg(name ORDER BY number), '[]') FROM public.schema_migrations),
    'sizeBytes', pg_database_size(current_database()),
    'hypertables', (
        SELECT coalesce(json_agg(format('%s.%s', hypertable_schema, hypertable_name)), '[]')
        FROM timescaledb_information.hypertables
    )
);
