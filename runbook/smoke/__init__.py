"""A thousand varied traces through the load balancer, read back and counted."""
