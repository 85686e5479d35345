"""Tests of rmq-shared-subscription."""
