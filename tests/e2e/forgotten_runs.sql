DELETE FROM job_runs WHERE run_id LIKE 'e2e-boards-%';

DELETE FROM load_runs WHERE run_id = 'e2e-boards';
