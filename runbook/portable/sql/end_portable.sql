-- Ends every session of an export or import but this one. Variable: program.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = :'program' AND pid <> pg_backend_pid();
