"""Tests of the management service against a broker in this process."""
