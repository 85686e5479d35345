"""Where the log of a broker in a test goes: to Python's logging, unless the test's program has set up structlog."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import EventDict, Processor


@contextmanager
def log_to_logging() -> Iterator[None]:
    """Without this structlog would print on standard output, into what ``capsys`` reads. It is undone at the end."""
    if structlog.is_configured():
        yield
        return
    processors: list[Processor] = [structlog.stdlib.filter_by_level, _as_log_call]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        if structlog.get_config()["processors"] is processors:
            structlog.reset_defaults()


def _as_log_call(_logger: logging.Logger, _method: str, event: EventDict) -> tuple[tuple[str], dict[str, Any]]:
    text = str(event.pop("event", ""))
    exc_info = event.pop("exc_info", None)
    pairs = "".join(f" {name}={value!r}" for name, value in event.items())
    return (text + pairs,), {"exc_info": exc_info}
