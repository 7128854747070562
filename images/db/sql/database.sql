-- The database, at first start only. Variable: database. Tables and the rights on them come from migrations.

CREATE DATABASE :"database" OWNER amas_owner;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO amas_app, amas_reader, amas_monitor, amas_health;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;

\connect :"database"
ALTER SCHEMA public OWNER TO amas_owner;
CREATE EXTENSION pg_stat_statements;

-- Debian ships the Apache edition, whose only job of its own is one that edition cannot run: it would fail
-- again every hour. In one transaction, so that the scheduler never sees it.
BEGIN;
CREATE EXTENSION timescaledb;
UPDATE _timescaledb_config.bgw_job SET scheduled = FALSE;
COMMIT;
