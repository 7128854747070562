-- A million decisions of about 750 bytes, over the last hours; what repeats in them is little.
INSERT INTO decision_insights
SELECT
    'million-' || n,
    now() - n * interval '10 milliseconds',
    now() - n * interval '10 milliseconds',
    'user-' || (n % 5000),
    'show-word',
    12.5,
    jsonb_build_object(
        'mood', random(),
        'text', (SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 12) AS i)
    ),
    '{"length": 1.25}',
    '["slow_answer"]',
    '{}',
    NULL,
    decode(md5(n::text), 'hex'),
    now()
FROM generate_series(1, 1000000) AS n;
