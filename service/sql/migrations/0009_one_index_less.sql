-- The key leads with the time. Ids are as unique as before, since created_at is a function of decision_id;
-- the same index now serves the list, newest first, and new rows go to its end, where they cost least.
-- It is built anew for every chunk, with the table locked: what is posted meanwhile waits in the spool.
SET LOCAL statement_timeout = '30min';

ALTER TABLE decision_insights DROP CONSTRAINT decision_insights_pkey;

ALTER TABLE decision_insights ADD PRIMARY KEY (created_at, decision_id);

DROP INDEX decision_insights_newest;
