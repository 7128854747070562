"""What an administrator does to the running service: the switches thrown, and the record of every action."""
