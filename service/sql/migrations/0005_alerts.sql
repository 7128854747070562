-- Alerts. The book is one document that is compared and written whole: where each rule stands, what fires,
-- who is still to be told, acknowledgements and silences. The history has a row for each transition.
CREATE TABLE alert_book (
    only_one boolean PRIMARY KEY DEFAULT TRUE CHECK (only_one),
    revision bigint NOT NULL,
    book jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO alert_book (revision, book) VALUES (0, '{}');

-- Every write leaves a dead version behind, and there is but one live row.
ALTER TABLE alert_book SET (
    autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0
);

CREATE TABLE alert_history (
    event_id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('firing', 'resolved')),
    at timestamptz NOT NULL,
    alert_id text NOT NULL,
    rule_id text NOT NULL,
    metric text NOT NULL,
    severity text NOT NULL,
    alert jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX alert_history_newest
ON alert_history (at DESC, event_id DESC);

CREATE INDEX alert_history_newest_by_metric
ON alert_history (metric, at DESC, event_id DESC);

-- The service may take away what is older than 400 days and nothing else, so the age is no parameter.
CREATE FUNCTION prune_alert_history(most integer)
RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM alert_history AS h
    WHERE h.event_id IN (
        SELECT o.event_id FROM alert_history AS o
        WHERE o.at < now() - interval '400 days'
        ORDER BY o.at
        LIMIT most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

REVOKE ALL ON FUNCTION prune_alert_history(integer) FROM public;

-- What is still to be told, as rows.
CREATE VIEW alert_outbox AS
SELECT
    o.delivery_id,
    o.delivery ->> 'destination' AS destination,
    o.delivery ->> 'status' AS status,
    o.delivery -> 'alert' ->> 'rule_id' AS rule_id,
    to_timestamp((o.delivery ->> 'at')::double precision) AS since
FROM alert_book AS b
CROSS JOIN LATERAL jsonb_each(b.book -> 'outbox') AS o (delivery_id, delivery);

CREATE VIEW alert_silences AS
SELECT
    s.silence_id,
    s.silence -> 'matchers' AS matchers,
    s.silence ->> 'created_by' AS created_by,
    s.silence ->> 'comment' AS comment,
    to_timestamp((s.silence ->> 'starts_at')::double precision) AS starts_at,
    to_timestamp((s.silence ->> 'ends_at')::double precision) AS ends_at
FROM alert_book AS b
CROSS JOIN LATERAL jsonb_each(b.book -> 'silences') AS s (silence_id, silence);

GRANT SELECT, UPDATE ON alert_book TO amas_app;

GRANT SELECT, INSERT ON alert_history TO amas_app;
GRANT EXECUTE ON FUNCTION prune_alert_history(integer) TO amas_app;

GRANT SELECT ON
alert_book, alert_history, alert_outbox, alert_silences
TO amas_reader;

GRANT SELECT (revision, written_at) ON alert_book TO amas_monitor;
GRANT SELECT (status, at, rule_id, metric, severity) ON alert_history TO amas_monitor;
