-- Rows of load and smoke runs are the only ones the service may take away. It has no DELETE of its
-- own: this function runs with its owner's rights and reaches no row without a run id. At most `most`
-- rows a call, so that a large run stays under the statement timeout.
CREATE FUNCTION purge_run(run text, most integer)
RETURNS SETOF text
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    WITH doomed AS (
        SELECT d.decision_id, d.created_at
        FROM decision_insights AS d
        WHERE d.run_id = run
        LIMIT most
    ),
    gone AS (
        DELETE FROM decision_insights AS d
        USING doomed
        WHERE d.decision_id = doomed.decision_id AND d.created_at = doomed.created_at
        RETURNING d.decision_id
    ),
    keys AS (
        DELETE FROM decision_keys AS k
        USING gone
        WHERE k.decision_id = gone.decision_id
    )
    SELECT decision_id FROM gone
$$;

REVOKE ALL ON FUNCTION purge_run(text, integer) FROM public;

GRANT EXECUTE ON FUNCTION purge_run(text, integer) TO amas_app;
