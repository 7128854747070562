"""What an application copies to send its decisions; nothing here is installed."""
