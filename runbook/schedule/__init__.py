"""The schedule of the runbook: what runs by itself, how it went, and what of it the host has to run."""
