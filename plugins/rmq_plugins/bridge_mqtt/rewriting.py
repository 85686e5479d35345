"""What becomes of a message on its way: its name, its flags and its marks; or that it goes no further."""

from typing import Final

from rmq.plugin_api import Properties, Publish, decode_block, encode_block, topic_matches
from rmq_plugins.bridges import marks
from rmq_plugins.bridges.topics import TopicMap

# Fixed header, lengths, packet identifier and a Message Expiry Interval: what a PUBLISH has besides its contents.
OVERHEAD: Final = 32


class Outward:
    """From this node to another broker.

    ``retain`` None leaves the flag as it is; ``max_size`` is the other broker's Maximum Packet Size, 0 none.
    """

    def __init__(self, bridge: str, server: str, topic_filter: str, names: TopicMap, retain: bool | None) -> None:
        self._bridge = bridge
        self._server = server
        self._filter = topic_filter
        self._names = names
        self._retain = retain
        self.max_size = 0
        self.retain_available = True

    def __call__(self, packet: Publish) -> Publish | str:
        """The message for the other broker, or why it gets none."""
        if not topic_matches(self._filter, packet.topic):
            return "not_asked_for"  # somebody else has subscribed our session to more
        properties = decode_block(packet.properties) if packet.properties else Properties()
        if marks.has_crossed(properties, self._bridge) or marks.came_from(properties, self._server):
            return "loop"
        name = self._names.name(packet.topic)
        if name is None:
            return "topic"
        marks.mark(properties, self._bridge)
        block = encode_block(properties)
        if self.max_size and len(packet.payload) + len(name.encode()) + len(block) + OVERHEAD > self.max_size:
            return "too_large"
        retain = packet.retain if self._retain is None else self._retain
        return Publish(
            name,
            packet.payload,
            0,
            retain and self.retain_available,
            False,
            0,
            message_expiry=packet.message_expiry,
            properties=block,
        )


class Inward:
    """From another broker to this node; ``expiry_s`` is for messages that say nothing about theirs, 0 none.

    A new one is needed for each connection: what topic aliases mean ends with it.
    """

    def __init__(self, bridge: str, server: str, names: TopicMap, retain: bool | None, expiry_s: int) -> None:
        self._bridge = bridge
        self._server = server
        self._names = names
        self._retain = retain
        self._expiry_s = expiry_s
        self._aliases: dict[int, str] = {}

    def __call__(self, packet: Publish) -> Publish | str:
        """The message for this node, or why it gets none."""
        topic = packet.topic
        if packet.topic_alias:
            if topic:
                self._aliases[packet.topic_alias] = topic
            topic = self._aliases.get(packet.topic_alias, "")
        properties = decode_block(packet.properties) if packet.properties else Properties()
        if marks.has_crossed(properties, self._bridge):
            return "loop"
        name = self._names.name(topic)
        if name is None:
            return "topic"
        marks.mark(properties, self._bridge, self._server)
        expiry = packet.message_expiry
        if expiry < 0 and self._expiry_s:
            expiry = self._expiry_s
        return Publish(
            name,
            packet.payload,
            0,
            packet.retain if self._retain is None else self._retain,
            False,
            0,
            message_expiry=expiry,
            properties=encode_block(properties),
        )
