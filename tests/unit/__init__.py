"""Unit tests: one package or module at a time, no sockets."""
