SELECT s.wal_status = 'lost'
FROM pg_replication_slots AS s
WHERE s.slot_name = 'amas_barman';
