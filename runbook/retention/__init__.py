"""`amas retention` (section 8.2): what has been kept for long enough, shown and taken away by whole days."""
