"""Tests of the plugin door and of the plugin host."""
