"""Shared by all tests: the packet case table, packet builders and parser, a raw client and broker processes."""
