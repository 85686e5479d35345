"""Tests of plugins/rmq_plugins/bridges."""
