"""Whether this host and this checkout are in order, before or between releases."""
