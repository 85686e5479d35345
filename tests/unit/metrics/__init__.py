"""Tests of counters, gauges, rates and the table of their names."""
