"""One logging set-up for the node: structlog's events and other libraries' records, to console, file or both.

setup    replaces whatever was set up before
targets  the handlers: standard error, and a file that can be opened again
render   an event as one line, readable or JSON, whatever a stranger puts into it
lines    many events at once, past structlog: for what happens thousands of times a second
"""

from rmq.log.lines import write_events
from rmq.log.render import render_json, render_text
from rmq.log.setup import reopen_files, setup_logging

__all__ = ["render_json", "render_text", "reopen_files", "setup_logging", "write_events"]
