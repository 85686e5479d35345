"""One adapter per client library; `base` holds the vocabulary they share."""
