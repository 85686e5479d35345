"""Replaces whatever logging was set up before: level, targets, formats."""

import logging
import sys
from pathlib import Path

import structlog
from structlog.typing import Processor

from rmq.log.render import render_json, render_text
from rmq.log.targets import Console, LogFile, Target

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OURS = "rmq."
# They log whole URLs, and what stands in a query may be a password.
_TALKATIVE = ("httpx", "httpcore")


def setup_logging(to: str = "console", level: str = "info", log_format: str = "text", path: Path | None = None) -> None:
    """Set up logging. `to`: console (stderr), file, both, off. OSError: the file can't be opened.

    `log_format`: text, json, or auto, which is text on a terminal and JSON everywhere else.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handlers = _handlers(to, log_format, path)
    root = logging.getLogger()
    for old in our_handlers():
        root.removeHandler(old)  # handlers of an embedding program, such as a test runner, stay
        old.close()
    for handler in handlers:
        handler.set_name(f"{_OURS}{type(handler).__name__}")
        if isinstance(handler, Target):
            handler.setFormatter(_formatter(shared, handler.render))
        root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def our_handlers() -> list[logging.Handler]:
    """The handlers that `setup_logging` put there."""
    return [handler for handler in logging.getLogger().handlers if (handler.name or "").startswith(_OURS)]


def reopen_files() -> None:
    """Open the log files again; OSError names the one that can't be, which is written on as before."""
    for handler in our_handlers():
        if isinstance(handler, LogFile):
            handler.reopen()


def _handlers(to: str, log_format: str, path: Path | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if to in ("file", "both"):
        if path is None:
            raise ValueError("logging to a file needs its path")
        handlers.append(LogFile(path, render_text if log_format == "text" else render_json))
    if to in ("console", "both"):
        is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
        handlers.append(Console(render_text if is_text else render_json))
    return handlers or [logging.NullHandler()]


def _formatter(shared: list[Processor], render: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            render,
        ],
    )
