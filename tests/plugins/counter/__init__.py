"""Tests of rmq-counter."""
