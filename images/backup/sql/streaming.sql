SELECT string_agg(state, ' ')
FROM pg_stat_replication
WHERE application_name = 'barman_receive_wal';
