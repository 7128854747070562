INSERT INTO job_runs (run_id, job, started_at, finished_at, outcome, exit_code, detail)
SELECT 'e2e-boards-' || job, job, now(), now(), 'ok', 0, '{}' FROM unnest(ARRAY['backup', 'proof']) AS job;

INSERT INTO load_runs (
    run_id, started_at, finished_at, test, profile, release, replicas, verdict,
    p95_ms, p99_ms, error_ratio, requests_per_s, highest_good_per_s
)
VALUES ('e2e-boards', now(), now(), 'mixed', 'breakpoint', 'e2e', 2, 'passed', 20, 40, 0, 100, 400);
