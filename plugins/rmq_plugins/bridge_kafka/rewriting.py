"""What becomes of a message on its way: its name, its headers and its marks; or that it goes no further."""

from typing import Final

from rmq.plugin_api import Properties, Publish, decode_block, encode_block, is_valid_topic_name, topic_matches
from rmq_plugins.bridge_kafka.records import Fetched, Meant, Record, headers_of, is_topic
from rmq_plugins.bridge_kafka.templates import Template
from rmq_plugins.bridges import marks

LOCAL_TOPIC: Final = "local.topic"
KAFKA_KEY: Final = "kafka.key"
KAFKA_TOPIC: Final = "kafka.topic"
# The library keeps something of every topic that it has written to.
MAX_TOPICS: Final = 10_000


class Outward:
    """From this node to Kafka; ``partition`` -1 has the key choose it, ``skip_levels`` are left out of the topic."""

    def __init__(
        self,
        bridge: str,
        servers: str,
        topic_filter: str,
        topic: Template,
        key: Template,
        skip_levels: int,
        partition: int,
        node_id: int,
    ) -> None:
        self._bridge = bridge
        self._servers = servers
        self._filter = topic_filter
        self._topic = topic
        self._key = key
        self._skip = skip_levels
        self._partition = partition
        self._node_id = node_id
        self._known: set[str] = set()

    @property
    def is_one_topic(self) -> bool:
        """Whether everything goes to one topic."""
        return self._topic.is_fixed

    def __call__(self, packet: Publish, now: float) -> Record | str:
        """The record for Kafka, or why there is none; ``now`` in seconds since 1970."""
        if not topic_matches(self._filter, packet.topic):
            return "not_asked_for"  # somebody else has subscribed our session to more
        properties = decode_block(packet.properties) if packet.properties else Properties()
        if marks.has_crossed(properties, self._bridge) or marks.came_from(properties, self._servers):
            return "loop"
        levels = packet.topic.split("/", self._skip)
        name = levels[self._skip] if len(levels) > self._skip else ""
        topic = self._topic.filled({LOCAL_TOPIC: name}).replace("/", "-")
        if not name or not is_topic(topic):
            return "topic"
        if topic not in self._known:
            if len(self._known) >= MAX_TOPICS:
                return "too_many_topics"
            self._known.add(topic)
        marks.mark(properties, self._bridge)
        key = self._key.filled({LOCAL_TOPIC: packet.topic}).encode()
        headers = headers_of(packet, properties, self._node_id, now)
        return Record(topic, key or None, packet.payload, headers, self._partition)


class Inward:
    """From Kafka to this node; ``expiry_s`` is for messages that say nothing about theirs, 0 none."""

    def __init__(
        self, bridge: str, servers: str, topic: Template, qos: int | None, retain: bool | None, expiry_s: int
    ) -> None:
        self._bridge = bridge
        self._servers = servers
        self._topic = topic
        self._qos = qos
        self._retain = retain
        self._expiry_s = expiry_s

    def __call__(self, fetched: Fetched) -> Publish | str:
        """The message for this node, or why there is none."""
        meant = Meant(fetched)
        if marks.has_crossed(meant.properties, self._bridge):
            return "loop"
        key = (fetched.key or b"").decode(errors="replace")
        name = self._topic.filled({KAFKA_KEY: key, KAFKA_TOPIC: fetched.topic})
        if not is_valid_topic_name(name):
            return "topic"
        marks.mark(meant.properties, self._bridge, self._servers)
        expiry = -1 if meant.expiry is None else meant.expiry
        if expiry < 0 and self._expiry_s:
            expiry = self._expiry_s
        asked = 1 if meant.qos is None else meant.qos
        return Publish(
            name,
            fetched.value,
            asked if self._qos is None else self._qos,
            bool(meant.retain) if self._retain is None else self._retain,
            False,
            0,
            message_expiry=expiry,
            properties=encode_block(meant.properties),
        )
