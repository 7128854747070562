-- The service may not come in until `open.sql`: it spools what it takes meanwhile. Variable: database.
REVOKE CONNECT ON DATABASE :"database" FROM amas_app;
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = :'database' AND usename ~ '^amas_app';
