"""rmq-message-storage: its parts, in a running node, and in a cluster."""
