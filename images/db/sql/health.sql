SELECT NOT pg_is_in_recovery() AND EXISTS (
    SELECT FROM pg_available_extensions
    WHERE name = 'timescaledb' AND installed_version = default_version
);
