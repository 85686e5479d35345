"""The tests of rmq."""
