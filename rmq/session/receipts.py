"""Receipts: what is to happen once a proposed change of what is kept is certain."""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Receipt:
    """Goes with a proposed operation; ``applied`` is called once, unless the node dies first or storage fails for good.

    ``give_up`` may be called before, more than once: the operation can still be applied later.

    ``synced_only``: wait until the operation would survive a loss of power, not only the death of this process.
    ``everywhere``: wait until every node that isn't down has applied it.
    """

    __slots__ = ("everywhere", "synced_only")

    def __init__(self, synced_only: bool) -> None:
        self.synced_only = synced_only
        self.everywhere = False

    def applied(self) -> None:
        """The operation is kept, as safely as was asked, and applied."""

    def give_up(self) -> None:
        """Whether the operation will be kept has been unknown for too long."""


class PendingReply(Receipt):
    """An acknowledgement that waits for its operation, or for replies before it; ``counted`` in ``unanswered``.

    ``parts`` is how many things it waits for: the operation, and each node that was sent the message. ``since`` is when
    the packet was read, in seconds on the node's clock, if the time it takes is to be measured, else 0.0.
    """

    __slots__ = ("counted", "packet_id", "packet_type", "parts", "ready", "reason_code", "since")

    def __init__(self, packet_type: int, packet_id: int, reason_code: int, counted: bool, synced_only: bool) -> None:
        super().__init__(synced_only)
        self.packet_type = packet_type
        self.packet_id = packet_id
        self.reason_code = reason_code
        self.counted = counted
        self.ready = False
        self.parts = 1
        self.since = 0.0
