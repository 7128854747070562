-- Names of all databases.
SELECT datname FROM pg_database;
