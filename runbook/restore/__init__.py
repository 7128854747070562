"""A stack's database from its backups, for real: `amas backup restore`."""
