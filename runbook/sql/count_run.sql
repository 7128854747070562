SELECT count(*)
FROM decision_insights
WHERE run_id = :'run_id';
