"""What waits to be sent to other nodes, one lane a node: messages gathered into runs."""

from typing import Final

from rmq.flow.forward_wire import TO_ALL, TO_MEMBER, is_plain, pack_alone, run_flags, run_head
from rmq.flow.ports import Pick
from rmq.metrics.counters import Counters
from rmq.mqtt.message import Message
from rmq.mqtt.publish_wire import before_payload_v3
from rmq.session.receipts import Receipt

# A run that is so long (bytes, messages) is followed by another one.
RUN_BYTES: Final = 65_536
RUN_MESSAGES: Final = 65_535


class Lane:
    """``size`` bytes in all, and the ``receipts`` of who waits for the node to acknowledge them.

    ``parts`` are the bytes in order, ``starts`` where in them each run begins and ``counts`` how many messages it has.
    The head of a run that may still grow is left out until ``close``.
    """

    __slots__ = (
        "_count",
        "_flags",
        "_length",
        "_prefix",
        "_publisher",
        "_run_size",
        "_topic",
        "counts",
        "parts",
        "receipts",
        "size",
        "starts",
    )

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.starts: list[int] = []
        self.counts: list[int] = []
        self.receipts: list[Receipt] = []
        self.size = 0
        # The run that may still grow; none while its count is 0.
        self._count = 0
        self._flags = 0
        self._topic = ""
        self._publisher = ""
        self._run_size = 0
        # What stands before payloads of the last one's length.
        self._length = -1
        self._prefix = b""

    def enter(self, message: Message, receipt: Receipt | None) -> None:
        """Add a message that may share a run with others, for all subscribers."""
        flags = run_flags(message)
        if (
            self._count == 0
            or message.topic is not self._topic
            or message.publisher is not self._publisher
            or flags != self._flags
            or self._run_size >= RUN_BYTES
            or self._count == RUN_MESSAGES
        ):
            self.close()
            self._begin(message, flags)
        payload = message.payload
        size = len(payload)
        if size != self._length:
            self._length = size
            self._prefix = size.to_bytes(4, "big") if flags else before_payload_v3(message.topic, size)
        prefix = self._prefix
        parts = self.parts
        parts.append(prefix)
        parts.append(payload)
        size += len(prefix)
        self._count += 1
        self._run_size += size
        self.size += size
        if receipt is not None:
            self.receipts.append(receipt)

    def enter_alone(self, run: bytes, receipt: Receipt | None) -> None:
        """Add a run of one message."""
        self.close()
        self.starts.append(len(self.parts))
        self.counts.append(1)
        self.parts.append(run)
        self.size += len(run)
        if receipt is not None:
            self.receipts.append(receipt)

    def _begin(self, message: Message, flags: int) -> None:
        self.starts.append(len(self.parts))
        self.counts.append(0)
        self.parts.append(b"")
        self._topic = message.topic
        self._publisher = message.publisher
        self._flags = flags
        self._length = -1

    def close(self) -> None:
        """No run grows any more."""
        count = self._count
        if count:
            head = run_head(self._flags, count, self._topic, self._publisher, self._run_size)
            self.parts[self.starts[-1]] = head
            self.counts[-1] = count
            self.size += len(head)
            self._count = 0
            self._run_size = 0

    def clear(self) -> None:
        """All of it was taken; whoever took it has the lists."""
        self.parts = []
        self.starts = []
        self.counts = []
        self.receipts = []
        self.size = 0


class Lanes:
    """Whoever has the links takes what the lanes hold: at the end of the turn, or later while ``gathers``.

    ``gathers``: the reactor takes one turn after the other, and says when they are over.
    """

    __slots__ = ("_counters", "by_node", "gathers")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.by_node: dict[int, Lane] = {}
        self.gathers = False

    def lane(self, node: int) -> Lane:
        """The lane to a node."""
        lane = self.by_node.get(node)
        if lane is None:
            lane = Lane()
            self.by_node[node] = lane
        return lane

    def forward(
        self, message: Message, nodes: list[int] | None, picks: list[Pick] | None, receipt: Receipt | None
    ) -> int:
        """Pass a message on to other nodes: for all their subscribers, and for members of share groups.

        The receipt is told once for each that has to be acknowledged; returns how many those are.
        """
        count = 0
        if nodes is not None:
            if is_plain(message):
                for node in nodes:
                    self.lane(node).enter(message, receipt)
            else:
                run = pack_alone(message, TO_ALL, None)
                for node in nodes:
                    self.lane(node).enter_alone(run, receipt)
            count = len(nodes)
        if picks is not None:
            for pick in picks:
                self.lane(pick.node).enter_alone(pack_alone(message, TO_MEMBER, pick), receipt)
            count += len(picks)
        self._counters.messages_forwarded += count
        return count if receipt is not None else 0
