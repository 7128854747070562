"""`amas upgrade` and `amas rollback`: to the release of this checkout and back, without a request lost."""
