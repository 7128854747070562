\set number random(1, 1000000000000)
INSERT INTO decision_insights (
    decision_id, created_at, occurred_at, user_id, action, duration_ms,
    state_snapshot, difficulty_factors, triggers, extra, content_hash
)
VALUES (
    'bench:' || :client_id || ':' || :number, now(), now(), 'user-1', 'raise_difficulty', 12.5,
    jsonb_build_object('mood', 0.5, 'text', repeat('x', 400)), '{"length": 1.25}', '["slow_answer"]', '{}', ''
);
