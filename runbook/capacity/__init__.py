"""`amas capacity` (sections 5.2 and 8.3): how long disk, connections and replicas hold."""
