"""Exceptions that should not have been, in what the cluster calls: logged, counted, and nothing else ends by them."""

import structlog

log = structlog.get_logger(__name__)


class Bugs:
    """``count`` since the start."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, what: str, error: Exception) -> None:
        """Something was being done."""
        self.count += 1
        log.error("a bug in the cluster", what=what, exc_info=error)
