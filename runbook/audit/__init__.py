"""Sections 8.1 to 8.3: which alert rules earn their place, and which thresholds usage suggests."""
