"""Scheduled jobs: one at a time, each within its limit, every run on record."""
