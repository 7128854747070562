"""Grafana's boards as code: described here, generated as JSON, provisioned as files."""
