"""The HTTP API of whole nodes, alone and three together."""
