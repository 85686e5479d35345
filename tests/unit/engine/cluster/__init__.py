"""Engines joined by a replicated log in memory: what members of a cluster do together, without Raft and sockets."""
