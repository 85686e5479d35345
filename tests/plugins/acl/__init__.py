"""Tests of rmq-acl."""
