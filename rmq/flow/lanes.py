"""What waits to be sent to other nodes at the end of the turn, one lane a node."""

from rmq.flow.forward_wire import TO_ALL, TO_MEMBER, pack_forward
from rmq.flow.ports import Pick
from rmq.metrics.counters import Counters
from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt


class Lane:
    """``packed`` messages of ``size`` bytes in all, and who waits for the node to acknowledge them."""

    __slots__ = ("packed", "receipts", "size")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.receipts: list[Receipt] = []
        self.size = 0

    def enter(self, packed: bytes, receipt: Receipt | None) -> None:
        """Add a message."""
        self.packed.append(packed)
        self.size += len(packed)
        if receipt is not None:
            self.receipts.append(receipt)


class Lanes:
    """Whoever has the links takes what the lanes hold once a turn."""

    __slots__ = ("_counters", "by_node")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.by_node: dict[int, Lane] = {}

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
            packed = pack_forward(message, TO_ALL, None)
            for node in nodes:
                self.lane(node).enter(packed, receipt)
            count = len(nodes)
        if picks is not None:
            for pick in picks:
                self.lane(pick.node).enter(pack_forward(message, TO_MEMBER, pick), receipt)
            count += len(picks)
        self._counters.messages_forwarded += count
        return count if receipt is not None else 0
