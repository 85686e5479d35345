"""Tests of rmq-auto-subscription."""
