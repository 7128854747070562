-- The extension's own triggers and jobs stand back while its catalog is filled.
SELECT timescaledb_pre_restore();
