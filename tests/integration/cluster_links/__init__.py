"""Links between nodes over real TCP and TLS."""
