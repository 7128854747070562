"""`amas pool` (section 7.2): who holds the database's connections, and which of them may be ended."""
