"""Tests of rmq-p2p-messaging."""
