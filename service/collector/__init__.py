"""What the service measures about its own requests."""
