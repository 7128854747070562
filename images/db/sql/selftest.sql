-- What the build proves: the extension loads into this very server and does what the service needs of it.

CREATE EXTENSION timescaledb;
CREATE TABLE probe (created_at timestamptz NOT NULL, payload jsonb);
SELECT create_hypertable('probe', 'created_at', chunk_time_interval => interval '1 day');
INSERT INTO probe SELECT now() - make_interval(days => day), '{}' FROM generate_series(0, 9) AS day;
SELECT drop_chunks('probe', older_than => interval '5 days');
SELECT 1 / (count(*) BETWEEN 5 AND 7)::int AS kept_only_the_young FROM probe;
