"""Figures that NanoMQ counts in its own way."""

from collections.abc import Mapping


def messages_dropped(metrics: Mapping[str, int]) -> int:
    """Messages dropped; to NanoMQ one without a subscriber is dropped too."""
    return metrics.get("messages.dropped", 0) + metrics.get("messages.nonsubscribed", 0)
