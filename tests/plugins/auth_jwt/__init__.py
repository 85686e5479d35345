"""Tests of rmq-auth-jwt."""
