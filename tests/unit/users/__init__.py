"""Tests of the built-in users: file, hashes, SCRAM, cache, and the users as hook handlers."""
