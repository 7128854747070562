-- What drills look for.

-- name: ids_of_run
SELECT d.decision_id
FROM decision_insights AS d
WHERE d.run_id = %(run_id)s;
