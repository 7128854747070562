-- Rows that our dump or load has moved of the table it is at.
SELECT coalesce(max(p.tuples_processed), 0)
FROM pg_stat_progress_copy AS p
INNER JOIN pg_stat_activity AS a ON p.pid = a.pid
WHERE a.application_name = 'amas-portable';
