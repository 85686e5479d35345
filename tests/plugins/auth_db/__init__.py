"""Tests of rmq-auth-db, with SQLite and with real servers of the other databases."""
