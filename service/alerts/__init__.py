"""The alert routes."""
