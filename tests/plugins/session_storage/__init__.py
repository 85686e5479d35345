"""rmq-session-storage: its keys, and what it shows of a running node."""
