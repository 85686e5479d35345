"""Tests of what plugins are offered."""
