-- Dead letters can be brought again: how often that was tried, and when last.
ALTER TABLE decision_dead_letters
ADD COLUMN attempts integer NOT NULL DEFAULT 0,
ADD COLUMN tried_at timestamptz;

CREATE INDEX decision_dead_letters_by_run
ON decision_dead_letters (run_id)
WHERE run_id IS NOT NULL;

CREATE INDEX decision_dead_letters_by_time
ON decision_dead_letters (buried_at);

-- One row for each time the retention ran to its end.
CREATE TABLE retention_runs (
    finished_at timestamptz PRIMARY KEY DEFAULT now(),
    cutoff timestamptz NOT NULL,
    chunks integer NOT NULL,
    keys bigint NOT NULL,
    letters bigint NOT NULL
);

GRANT SELECT, INSERT ON retention_runs TO amas_app;
GRANT SELECT ON retention_runs TO amas_reader, amas_monitor;

-- The service has no DELETE and no UPDATE of its own; each of these does one narrow thing.
CREATE FUNCTION delete_letters(ids bigint[])
RETURNS SETOF bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    DELETE FROM decision_dead_letters AS l
    WHERE l.letter_id = any(ids)
    RETURNING l.letter_id
$$;

CREATE FUNCTION mark_letters(ids bigint[], reasons text[], sqlstates text[])
RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    UPDATE decision_dead_letters AS l
    SET attempts = l.attempts + 1, tried_at = now(), reason = u.reason, sqlstate = u.sqlstate
    FROM unnest(ids, reasons, sqlstates) AS u (letter_id, reason, sqlstate)
    WHERE l.letter_id = u.letter_id
$$;

CREATE FUNCTION purge_run_letters(run text, most integer)
RETURNS SETOF bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    DELETE FROM decision_dead_letters AS l
    WHERE l.letter_id IN (
        SELECT d.letter_id FROM decision_dead_letters AS d
        WHERE d.run_id = run
        LIMIT most
    )
    RETURNING l.letter_id
$$;

-- Whatever the service is told, it cannot drop what is younger than a day.
CREATE FUNCTION demand_old_enough(cutoff timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF cutoff IS NULL OR cutoff > now() - interval '1 day' THEN
        RAISE EXCEPTION 'retention cutoff % is younger than a day', cutoff
        USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Chunks that lie wholly before the cutoff. It rather fails than waits behind a long read with every
-- write behind itself. None (and no error) while another session drops.
CREATE FUNCTION drop_old_chunks(cutoff timestamptz)
RETURNS SETOF text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM demand_old_enough(cutoff);
    IF pg_try_advisory_xact_lock(1634558324) THEN
        RETURN QUERY SELECT drop_chunks('decision_insights', older_than => cutoff);
    END IF;
END
$$;

CREATE FUNCTION prune_keys(cutoff timestamptz, most integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM demand_old_enough(cutoff);
    DELETE FROM decision_keys AS k
    WHERE k.decision_id IN (
        SELECT o.decision_id FROM decision_keys AS o
        WHERE o.created_at < cutoff
        ORDER BY o.created_at
        LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

CREATE FUNCTION prune_letters(cutoff timestamptz, most integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM demand_old_enough(cutoff);
    DELETE FROM decision_dead_letters AS l
    WHERE l.letter_id IN (
        SELECT o.letter_id FROM decision_dead_letters AS o
        WHERE o.buried_at < cutoff
        ORDER BY o.buried_at
        LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION
delete_letters(bigint[]),
mark_letters(bigint[], text[], text[]),
purge_run_letters(text, integer),
demand_old_enough(timestamptz),
drop_old_chunks(timestamptz),
prune_keys(timestamptz, integer),
prune_letters(timestamptz, integer)
FROM public;

GRANT EXECUTE ON FUNCTION
delete_letters(bigint[]),
mark_letters(bigint[], text[], text[]),
purge_run_letters(text, integer),
drop_old_chunks(timestamptz),
prune_keys(timestamptz, integer),
prune_letters(timestamptz, integer)
TO amas_app;
