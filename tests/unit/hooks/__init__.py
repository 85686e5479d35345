"""Tests of the hooks: registry, guards, the chains and their asynchronous runner."""
