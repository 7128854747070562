-- Rows FIRST to LAST of a table that has grown: over ninety days, half of them UUIDv7, half free ids with their keys.
WITH made AS (
    SELECT
        number,
        date_trunc('milliseconds', now() - mod(number, 7776000) * interval '1 second') AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS r (number)
),

named AS (
    SELECT
        at,
        mod(number, 2) = 0 AS free,
        CASE
            WHEN mod(number, 2) = 0 THEN 'filled:' || number
            ELSE
                regexp_replace(
                    lpad(to_hex((extract(EPOCH FROM at) * 1000)::bigint), 12, '0'), '^(.{8})(.{4})$', '\1-\2'
                )
                || '-7000-a000-' || lpad(to_hex(number), 12, '0')
        END AS id
    FROM made
),

claimed AS (
    INSERT INTO decision_keys (decision_id, created_at, content_hash)
    SELECT
        id,
        at,
        ''
    FROM named
    WHERE free
)

INSERT INTO decision_insights (
    decision_id, created_at, occurred_at, user_id, action, duration_ms,
    state_snapshot, difficulty_factors, triggers, extra, content_hash
)
SELECT
    id,
    at,
    at,
    'user-1',
    'raise_difficulty',
    12.5,
    '{"mood": 0.5}',
    '{}',
    '[]',
    '{}',
    ''
FROM named
