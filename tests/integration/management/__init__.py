"""The management service of a whole node."""
