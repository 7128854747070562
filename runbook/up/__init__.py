"""From a fresh machine to a running stack: one module per step, `flow` is their order."""
