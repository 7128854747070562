"""Load tests with k6: planned, guarded, run, judged and compared."""
