"""Tests of rmq-sys-topic."""
