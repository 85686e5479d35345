"""Tests of rmq-bench."""
