"""The way of a decision trace: parsed, queued, committed, acknowledged, read back."""
