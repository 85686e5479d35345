"""Links between nodes, over memory streams and a virtual clock."""
