-- The roles of the environment, without passwords: until `amas-db-roles` has run, nobody logs in over the network.
-- Run at first start, and again by every `amas-db-roles`, so that an existing volume learns of new roles and grants.

SET client_min_messages = warning;
-- With a synchronous backup receiver configured, a commit would wait for one that cannot connect yet.
SET synchronous_commit = local;

BEGIN;

-- amas_app owns the service's grants and is nobody's login: see passwords.sql.
SELECT format('CREATE ROLE %I %s', wanted.name, wanted.kind)
FROM (
    VALUES
    ('amas_owner', 'LOGIN'),
    ('amas_app', 'NOLOGIN'),
    ('amas_reader', 'LOGIN'),
    ('amas_monitor', 'LOGIN'),
    ('amas_backup', 'LOGIN REPLICATION'),
    ('amas_jobs', 'LOGIN'),
    ('amas_health', 'LOGIN')
) AS wanted (name, kind)
WHERE wanted.name NOT IN (SELECT rolname FROM pg_roles)
\gexec

ALTER ROLE amas_health PASSWORD NULL CONNECTION LIMIT 5;

GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO amas_owner;
GRANT pg_monitor, pg_use_reserved_connections TO amas_monitor;
GRANT pg_use_reserved_connections TO amas_health;
-- Scheduled jobs read what people may read; what more they may, the migrations say.
GRANT amas_reader, pg_monitor TO amas_jobs;

-- What Barman's manual asks for. Reading adds nothing for a role that may copy the whole server; pg_maintain lets it
-- hold writers still while a moment is named that restores are compared with. Rights on functions are of one
-- database: its own.
GRANT pg_monitor, pg_checkpoint, pg_read_all_data, pg_maintain TO amas_backup;
GRANT EXECUTE ON FUNCTION
pg_backup_start(text, boolean),
pg_backup_stop(boolean),
pg_switch_wal(),
pg_create_restore_point(text)
TO amas_backup;
SELECT format('GRANT CONNECT ON DATABASE %I TO amas_backup', current_database())
WHERE current_database() <> 'postgres'
\gexec

COMMIT;
