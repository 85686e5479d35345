"""Clustering for rmq: nodes that replicate sessions, subscriptions and acknowledged messages.

Nothing is here yet. A later release brings configuration, membership, the links between nodes, the one module that
drives Raft, and the ports through which the engine (package rmq) sees other nodes.
"""
