"""Section 10: the incident log, written from what the stack tells while it lasts."""
