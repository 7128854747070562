-- Ends the service's former logins, when all replicas use the present one (/secrets/app_role).
-- amas_app itself is one of them on a volume from the time when it was a login.

SET client_min_messages = warning;
SET synchronous_commit = local;

\set app_role `cat /secrets/app_role`

BEGIN;

CREATE TEMPORARY VIEW former_logins AS
SELECT
    rolname AS name,
    coalesce(rolvaliduntil, 'infinity') AS valid_until
FROM pg_roles
WHERE
    rolcanlogin
    AND rolname ~ '^amas_app(_[0-9a-f]{8})?$'
    AND rolname <> :'app_role';

-- Gone for good are those that nobody can have, or open, a session with.
CREATE TEMPORARY TABLE ended ON COMMIT DROP AS
SELECT name
FROM former_logins
WHERE valid_until < now() AND name NOT IN (SELECT usename FROM pg_stat_activity WHERE usename IS NOT NULL);

SELECT format('DROP ROLE %I', name) FROM ended
WHERE name <> 'amas_app'
\gexec
SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL VALID UNTIL %L', name, 'infinity') FROM ended
WHERE name = 'amas_app'
\gexec

-- The replicas of the release before are still draining: they may need a new connection for a while.
SELECT format('ALTER ROLE %I VALID UNTIL %L', name, now() + interval '15 minutes') FROM former_logins
WHERE valid_until = 'infinity'
\gexec

DROP VIEW former_logins;

COMMIT;
