-- The roles of the environment and their passwords, read from files: never in argv, environment or log.
-- Run at every start, so that a changed secret is in force after a restart.

SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET track_activities = off;
SET pg_stat_statements.track = 'none';
-- With a synchronous backup receiver configured, a commit would wait for one that cannot connect yet.
SET synchronous_commit = local;

\set owner_password `cat /secrets/owner_password`
\set app_password `cat /secrets/app_password`
\set reader_password `cat /secrets/reader_password`
\set monitor_password `cat /secrets/monitor_password`

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', wanted.name)
FROM (VALUES ('amas_owner'), ('amas_app'), ('amas_reader'), ('amas_monitor'), ('amas_health')) AS wanted (name)
WHERE wanted.name NOT IN (SELECT rolname FROM pg_roles)
\gexec

ALTER ROLE amas_owner PASSWORD :'owner_password';
ALTER ROLE amas_app PASSWORD :'app_password';
ALTER ROLE amas_reader PASSWORD :'reader_password';
ALTER ROLE amas_monitor PASSWORD :'monitor_password';
ALTER ROLE amas_health PASSWORD NULL CONNECTION LIMIT 5;

GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO amas_owner;
GRANT pg_monitor, pg_use_reserved_connections TO amas_monitor;
GRANT pg_use_reserved_connections TO amas_health;

COMMIT;
