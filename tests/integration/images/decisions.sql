-- A thousand decisions of the last hours.
INSERT INTO decision_insights
SELECT
    'd' || n,
    now() - n * interval '1 minute',
    now(),
    'ada',
    'show-word',
    1.5,
    '{}',
    '{}',
    '[]',
    '{}',
    NULL,
    '\x00',
    now()
FROM generate_series(1, 1000) AS n;
