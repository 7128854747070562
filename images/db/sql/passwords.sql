-- The passwords, read from files: never in argv, environment or log.

SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET track_activities = off;
SET pg_stat_statements.track = 'none';
-- With a synchronous backup receiver away, a rotation would wait for it.
SET synchronous_commit = local;

\set owner_password `cat /secrets/owner_password`
\set app_role `cat /secrets/app_role`
\set app_password `cat /secrets/app_password`
\set reader_password `cat /secrets/reader_password`
\set monitor_password `cat /secrets/monitor_password`
\set backup_password `cat /secrets/backup_password`
\set jobs_password `cat /secrets/jobs_password`

BEGIN;

-- Sessions that stand go on, so the old passwords may end at once; a job that starts in between comes again.
ALTER ROLE amas_owner PASSWORD :'owner_password';
ALTER ROLE amas_reader PASSWORD :'reader_password';
ALTER ROLE amas_monitor PASSWORD :'monitor_password';
ALTER ROLE amas_backup PASSWORD :'backup_password';
ALTER ROLE amas_jobs PASSWORD :'jobs_password';

-- The service does: a role has one password, and replicas are replaced one by one. So each password has a
-- login role of its own, named by it. The earlier one stays as it is: should the new replicas fail, the old
-- ones go on. former_logins.sql ends it, once nobody needs it.
SELECT format('CREATE ROLE %I LOGIN', :'app_role')
WHERE :'app_role' NOT IN (SELECT rolname FROM pg_roles)
\gexec
ALTER ROLE :"app_role" LOGIN PASSWORD :'app_password' VALID UNTIL 'infinity';
GRANT amas_app TO :"app_role";

COMMIT;
