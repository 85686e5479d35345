"""Tests of rmq-retainer."""
