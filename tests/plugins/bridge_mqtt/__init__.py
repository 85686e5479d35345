"""Tests of the bridges to other MQTT brokers."""
