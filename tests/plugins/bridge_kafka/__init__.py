"""Tests of the bridges to Kafka."""
