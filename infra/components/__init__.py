"""One component a file; each takes typed arguments and reads no configuration, clock or environment."""
