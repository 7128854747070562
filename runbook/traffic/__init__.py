"""Made-up traffic of a word-learning system: generated, sent, read back, compared with its own manifest."""
