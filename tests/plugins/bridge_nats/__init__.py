"""Tests of plugins/rmq_plugins/bridge_nats."""
