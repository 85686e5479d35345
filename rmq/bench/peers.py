"""The connections of a load, and what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmq.bench.batch import Layout

if TYPE_CHECKING:
    from rmq.bench.wire import Socket

NO_TIME: Final = bytes(8)


class LoadError(Exception):
    """The run can't go on: a connection was closed, or the broker sent something that is no MQTT."""


class Peer:
    """One connection of the load: a publisher, or a subscriber."""

    __slots__ = (
        "batches", "blocked", "dirty", "fd", "head", "index", "layout", "next_id", "out", "outstanding", "plain",
        "publisher", "rest", "sock", "stamp_head", "tail", "unacked", "version",
    )  # fmt: skip

    def __init__(self, sock: Socket, index: int, publisher: bool, version: int) -> None:
        self.sock = sock
        self.fd: int = sock.fileno()
        self.index = index
        self.publisher = publisher
        self.version = version
        self.rest = b""
        self.out = b""
        self.blocked = False
        self.dirty = False
        self.outstanding = 0
        self.unacked = 0
        self.next_id = 1
        self.layout = Layout()
        self.head = b""  # of a PUBLISH: fixed header and topic
        self.stamp_head = b""  # property length (v5), magic and publisher index; empty when payloads are not stamped
        self.tail = b""  # the payload behind the stamp
        self.plain = b""  # all that follows the packet id, of a message that doesn't tell its time
        self.batches = 0  # how often messages were sent

    def set_message(self, head: bytes, stamp_head: bytes, tail: bytes) -> None:
        """What this publisher sends, in the parts that stay the same."""
        self.head = head
        self.stamp_head = stamp_head
        self.tail = tail
        self.plain = stamp_head + NO_TIME + tail if stamp_head else tail


class Counts:
    """What the load sent and received since it was started."""

    __slots__ = (
        "acks_in", "acks_out", "bytes_in", "bytes_out", "general", "other_in", "reads", "received", "refused", "sends",
        "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.acks_in: list[int] = [0] * 16  # by packet type: 4 PUBACK, 5 PUBREC, 6 PUBREL, 7 PUBCOMP
        self.acks_out: list[int] = [0] * 16
        self.refused = 0  # acknowledgements with a reason code of 0x80 or more
        self.other_in = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.reads = 0
        self.sends = 0
        self.general = 0  # reads that were cut packet by packet


def describe(peer: Peer) -> str:
    """Name a connection in an error."""
    return f"{'publisher' if peer.publisher else 'subscriber'} {peer.index}"
