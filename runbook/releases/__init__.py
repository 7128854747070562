"""What was released, kept so that it can come back: `amas upgrade`, `amas rollback`, `amas status`."""
