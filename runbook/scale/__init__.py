"""Scaling by itself: signals are looked at, one step is decided, the agent takes it."""
