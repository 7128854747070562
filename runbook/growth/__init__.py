"""`amas db size` and `amas db growth` (section 8.1): what the database takes, until when the disk holds."""
