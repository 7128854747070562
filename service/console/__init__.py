"""The page at /: what stands, at a glance."""
