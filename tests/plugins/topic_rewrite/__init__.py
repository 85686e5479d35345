"""Tests of rmq-topic-rewrite."""
