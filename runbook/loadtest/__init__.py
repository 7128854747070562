"""The verb for load tests."""
