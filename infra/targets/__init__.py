"""One target a file: the same components on one Docker host, later on a Swarm."""
