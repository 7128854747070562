-- The loaded database takes the present one's name, which is kept under another. Variables: present, loaded,
-- former. A database with sessions cannot be renamed, and nobody may come in between.
ALTER DATABASE :"present" ALLOW_CONNECTIONS FALSE;
ALTER DATABASE :"loaded" ALLOW_CONNECTIONS FALSE;
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname IN (:'present', :'loaded');
BEGIN;
ALTER DATABASE :"present" RENAME TO :"former";
ALTER DATABASE :"loaded" RENAME TO :"present";
COMMIT;
ALTER DATABASE :"present" ALLOW_CONNECTIONS TRUE;
