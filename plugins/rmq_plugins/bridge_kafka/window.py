"""What this node's session has sent and Kafka hasn't acknowledged yet; acknowledged to the session in its order."""

from collections import deque

from rmq.plugin_api import PUBACK, PUBCOMP, PUBREC, Ack, Publish


class _Taken:
    __slots__ = ("is_settled", "packet_id", "qos")

    def __init__(self, packet_id: int, qos: int) -> None:
        self.packet_id = packet_id
        self.qos = qos
        self.is_settled = False


class Window:
    """Acknowledgements go in the order that messages came in [MQTT-4.6.0-2, MQTT-4.6.0-3]; QoS 0 has none.

    ``kept`` is how many of QoS 1 and 2 are under way, ``unkept`` how many of QoS 0.
    """

    def __init__(self) -> None:
        self.unkept = 0
        self._taken: dict[int, _Taken] = {}
        self._order: deque[_Taken] = deque()
        self._last = 0

    @property
    def kept(self) -> int:
        """How many of QoS 1 and 2 aren't settled, or wait for one before them that isn't."""
        return len(self._order)

    def take(self, packet: Publish) -> int:
        """A message has come; the number to settle it by."""
        self._last += 1
        taken = _Taken(packet.packet_id, packet.qos)
        self._taken[self._last] = taken
        if packet.qos:
            self._order.append(taken)
        else:
            self.unkept += 1
        return self._last

    def settle(self, number: int) -> None:
        """It has arrived, or goes no further."""
        taken = self._taken.pop(number)
        taken.is_settled = True
        if not taken.qos:
            self.unkept -= 1

    def acks(self) -> list[Ack]:
        """What may be acknowledged now that couldn't before."""
        found: list[Ack] = []
        while self._order and self._order[0].is_settled:
            taken = self._order.popleft()
            found.append(Ack(PUBACK if taken.qos == 1 else PUBREC, taken.packet_id))
        return found

    def released(self, packet: Ack) -> Ack:
        """The answer to a PUBREL: nothing is kept of a message that was acknowledged."""
        return Ack(PUBCOMP, packet.packet_id)
