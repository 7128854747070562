"""`amas outdated` (section 8.2): pins and packages beside what their sources have now."""
