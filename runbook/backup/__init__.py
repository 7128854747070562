"""Backups inside the backup container: taken, verified, proven by a restore, copied away."""
