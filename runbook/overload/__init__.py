"""`amas overload` (section 7.1): how loaded the replicas are, and what can wait until they are not."""
