"""The exchange between two sessions, packet by packet, without I/O.

The *source* sends us messages, the *target* takes them. A message has the same packet identifier on both sides, and is
acknowledged to the source when the target has acknowledged it. So nothing needs to be remembered from one connection to
the next: the source's session sends again what isn't complete, under the same identifiers, and the target's session
knows those of QoS 2 that it has [MQTT-4.3.3-10].
"""

from collections.abc import Callable, Iterable
from typing import Final

from rmq.plugin_api import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    REASON_NAMES,
    Ack,
    MqttFailedError,
    Outgoing,
    Packet,
    Publish,
)
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.own import FAILURE, LATER

IDENTIFIER_IN_USE: Final = 0x91

# The message as the target gets it, or why it gets none.
Rewrite = Callable[[Publish], Publish | str]


class Relay:
    """``to_source`` and ``to_target`` are what is to be sent next; whoever sends it empties them.

    ``qos`` gives, for each QoS of the source, that of the target; 0 stays 0, since nobody keeps such a message.
    """

    def __init__(self, rewrite: Rewrite, qos: tuple[int, int, int], figures: Figures) -> None:
        self.to_source: list[Outgoing] = []
        self.to_target: list[Outgoing] = []
        self._rewrite = rewrite
        self._qos = qos
        self._figures = figures
        self._under_way: dict[int, int] = {}  # the QoS that the source sent it with
        self._ended: set[int] = set()  # of QoS 2 at the source, which is still to release them; the target isn't asked

    def from_source(self, packets: Iterable[Packet]) -> None:
        """What the source sent."""
        for packet in packets:
            if isinstance(packet, Publish):
                self._message(packet)
            elif isinstance(packet, Ack) and packet.packet_type == PUBREL:
                if packet.packet_id in self._ended or self._qos[2] != 2:
                    self._ended.discard(packet.packet_id)
                    self.to_source.append(Ack(PUBCOMP, packet.packet_id))
                else:
                    self._under_way[packet.packet_id] = 2
                    self.to_target.append(Ack(PUBREL, packet.packet_id))

    def _message(self, packet: Publish) -> None:
        self._figures.received += 1
        asked = packet.qos
        packet_id = packet.packet_id
        outcome = self._rewrite(packet)
        if isinstance(outcome, str):
            self._figures.drop(outcome)
            self._complete(packet_id, asked)
            return
        outcome.qos = self._qos[asked]
        outcome.packet_id = packet_id if outcome.qos else 0
        outcome.dup = packet.dup and outcome.qos > 0
        self.to_target.append(outcome)
        if outcome.qos:
            self._under_way[packet_id] = asked
        else:
            self._figures.sent += 1
            self._complete(packet_id, asked)

    def from_target(self, packets: Iterable[Packet]) -> None:
        """What the target answered; raises ``MqttFailedError`` where it may take a message another time."""
        for packet in packets:
            if not isinstance(packet, Ack) or packet.packet_type == PUBREL:
                continue
            asked = self._under_way.get(packet.packet_id)
            if asked is None:
                continue
            if packet.packet_type == PUBREC:
                self._received(packet, asked)
            elif packet.packet_type == PUBCOMP:
                self._arrived(packet.packet_id, asked, release=False)
            elif packet.reason_code >= FAILURE:
                self._refused(packet, asked)
            else:
                self._arrived(packet.packet_id, asked, release=True)

    def _received(self, packet: Ack, asked: int) -> None:
        if packet.reason_code >= FAILURE and packet.reason_code != IDENTIFIER_IN_USE:
            self._refused(packet, asked)
        elif asked == 2:
            self.to_source.append(Ack(PUBREC, packet.packet_id))
        else:
            self.to_target.append(Ack(PUBREL, packet.packet_id))

    def _arrived(self, packet_id: int, asked: int, *, release: bool) -> None:
        del self._under_way[packet_id]
        self._figures.sent += 1
        if asked == 2 and not release:
            self.to_source.append(Ack(PUBCOMP, packet_id))
        else:
            self._complete(packet_id, asked)

    def _refused(self, packet: Ack, asked: int) -> None:
        if packet.reason_code in LATER:
            name = REASON_NAMES.get(packet.reason_code, str(packet.reason_code))
            raise MqttFailedError(f"a message wasn't taken: {name}", packet.reason_code)
        del self._under_way[packet.packet_id]
        self._figures.drop("refused")
        self._complete(packet.packet_id, asked)

    def _complete(self, packet_id: int, asked: int) -> None:
        """As far as the source is concerned the message has arrived."""
        if asked == 1:
            self.to_source.append(Ack(PUBACK, packet_id))
        elif asked == 2:
            self._ended.add(packet_id)
            self.to_source.append(Ack(PUBREC, packet_id))

    def take(self) -> tuple[list[Outgoing], list[Outgoing]]:
        """What is to be sent to the source and to the target."""
        found = self.to_source, self.to_target
        self.to_source, self.to_target = [], []
        return found
