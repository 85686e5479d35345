"""Interoperability: the same scenarios run with every client library people use."""
