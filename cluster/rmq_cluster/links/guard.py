"""The handler, guarded: a bug in it is reported and counted, and never ends more than the link it happened on."""

from collections.abc import Callable
from typing import Any

import structlog

from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.handler import CHANNEL_NAMES, BadFrame, LinkHandler
from rmq_cluster.links.hello import Refused, pack_fields

log = structlog.get_logger(__name__)

# What is told about kinds in the report of a bug.
_KINDS_NAMED = 10


def log_bug(context: str, error: Exception) -> None:
    """What is done about a bug unless somebody else wants to know: one log line with the traceback."""
    log.error("bug behind a cluster link", context=context, exc_info=error)


class Guard:
    """Calls the handler. ``on_bug`` is told what was being done, and the exception that should not have been."""

    def __init__(self, handler: LinkHandler, on_bug: Callable[[str, Exception], None], counters: LinkCounters) -> None:
        self._handler = handler
        self._on_bug = on_bug
        self._counters = counters

    def report(self, context: str, error: Exception) -> None:
        """Count and tell a bug; a callback that fails itself is told to the log."""
        self._counters.bugs += 1
        try:
            self._on_bug(context, error)
        except Exception as another:
            log_bug(context, error)
            log_bug("report of a bug", another)

    def hello(self) -> bytes:
        """What this node tells about itself, packed. Raises ``Refused``."""
        try:
            return pack_fields(self._handler.hello())
        except Exception as error:
            self.report("hello for a handshake", error)
            raise Refused("bug", "this node has no hello") from None

    def check(self, peer: int, fields: list[Any]) -> str | None:
        """Why the peer is refused, or None. Raises ``Refused``."""
        try:
            return self._handler.check(peer, fields)
        except Exception as error:
            self.report(f"check of node {peer}", error)
            raise Refused("bug", "this node failed to check the peer") from None

    def doubled(self, peer: int, reason: str) -> None:
        """Tell the handler."""
        try:
            self._handler.doubled(peer, reason)
        except Exception as error:
            self.report(f"a second node {peer}", error)

    def rejected_by(self, peer: int, reason: str) -> None:
        """Tell the handler."""
        try:
            self._handler.rejected_by(peer, reason)
        except Exception as error:
            self.report(f"a rejection by node {peer}", error)

    def link_up(self, peer: int, fields: list[Any]) -> bool:
        """Whether the handler took it without a bug."""
        try:
            self._handler.link_up(peer, fields)
        except Exception as error:
            self.report(f"link to node {peer} up", error)
            return False
        return True

    def link_down(self, peer: int, reason: str) -> None:
        """Tell the handler."""
        try:
            self._handler.link_down(peer, reason)
        except Exception as error:
            self.report(f"link to node {peer} down: {reason}", error)

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> tuple[str, str] | None:
        """Hand frames over; what ends the link (a key of ``counters.CLOSES`` and a text), or None."""
        try:
            self._handler.frames(peer, channel, frames)
        except BadFrame as error:
            return "bad_frame", f"bad frame on the {CHANNEL_NAMES[channel]} connection: {error}"
        except Exception as error:
            kinds = sorted({kind for kind, _ in frames})[:_KINDS_NAMED]
            self.report(
                f"{len(frames)} frames from node {peer} on the {CHANNEL_NAMES[channel]} connection, kinds {kinds}",
                error,
            )
            return "bug", "a bug in handling its frames"
        return None
