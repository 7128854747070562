"""Load tests that were run, kept in the stack's database: for the boards and for `amas capacity`."""
