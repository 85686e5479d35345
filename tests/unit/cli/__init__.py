"""Tests of the command line of rmq-node; the node's own flags are tested with the configuration."""
