"""Drills: a fault on purpose, under traffic, and what has to hold of it."""
