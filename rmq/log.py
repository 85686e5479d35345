"""One logging setup for the node: structlog events and other libraries' records, to console, file or both."""

import logging
import logging.handlers
import sys
from collections.abc import MutableMapping
from pathlib import Path

import structlog
from structlog.typing import EventDict, Processor

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OURS = "rmq."


def setup_logging(to: str = "console", level: str = "info", log_format: str = "text", path: Path | None = None) -> None:
    """Replace what was set up before. `to`: console (stderr), file, both, off. OSError: the file can't be opened."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Processor = structlog.processors.JSONRenderer(default=str) if log_format == "json" else render_text
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            render,
        ],
    )
    handlers = _handlers(to, path)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if (handler.name or "").startswith(_OURS)]:
        root.removeHandler(old)  # handlers of an embedding program, such as a test runner, stay
        old.close()
    for handler in handlers:
        handler.set_name(f"{_OURS}{type(handler).__name__}")
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(_LEVELS[level])
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


def _handlers(to: str, path: Path | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if to in ("console", "both"):
        handlers.append(logging.StreamHandler(sys.stderr))
    if to in ("file", "both"):
        if path is None:
            raise ValueError("logging to a file needs its path")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opened again after a rotation from outside, so logrotate needs no signal.
        handlers.append(logging.handlers.WatchedFileHandler(path, encoding="utf-8"))
    return handlers or [logging.NullHandler()]


def render_text(_: object, __: str, event: EventDict) -> str:
    """`2026-01-31T12:00:00.000000Z info rmq.net listening addr=127.0.0.1:1883`, always one line but for a traceback."""
    head = [str(event.pop(name, "-")) for name in ("timestamp", "level", "logger")]
    message = _one_line(str(event.pop("event", "")))
    traceback = event.pop("exception", None)
    line = " ".join([head[0], f"{head[1]:<7}", head[2], message, *_pairs(event)])
    return f"{line}\n{traceback}" if traceback else line


def _pairs(event: MutableMapping[str, object]) -> list[str]:
    return [f"{name}={_quoted(value)}" for name, value in event.items()]


def _quoted(value: object) -> str:
    """Client ids and topics come from strangers: anything that could break or fake a line is escaped."""
    text = str(value)
    if text and text.isprintable() and not set(text) & set(" \"'="):
        return text
    return repr(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
