"""Many events at once, past structlog: a line costs some microseconds, a batch one write."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from rmq.log.setup import our_handlers
from rmq.log.targets import Target

Event = dict[str, object]


def write_events(logger: str, events: Sequence[tuple[float, Event]]) -> None:
    """Write events of level info, each with its time (seconds since 1970), to all targets of the log, in order."""
    if not events or not logging.getLogger().isEnabledFor(logging.INFO):
        return
    for handler in our_handlers():
        if isinstance(handler, Target):
            lines = [
                handler.render(None, "info", {"timestamp": _iso(at), "level": "info", "logger": logger, **event})
                for at, event in events
            ]
            handler.write("\n".join([*map(str, lines), ""]))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
