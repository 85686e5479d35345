"""Tests of rmq.testing, which other people's tests stand on."""
