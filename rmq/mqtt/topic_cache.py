"""A bounded cache from the raw bytes of a topic name to its checked text, shared by all connections."""

from typing import Final

from rmq.mqtt.codes import TOPIC_NAME_INVALID
from rmq.mqtt.errors import MqttError, ProtocolError
from rmq.mqtt.primitives import decode_utf8

MAX_CACHED_BYTES: Final = 256
"""Longer topic names aren't kept, so that the cache is bounded in bytes too."""


class TopicCache:
    """Checks a topic name once; equal names share one ``str``, so its hash is computed once and ``is`` often holds.

    ``names`` holds only what is valid.
    """

    __slots__ = ("limit", "names")

    def __init__(self, limit: int = 16_384) -> None:
        self.limit = limit
        self.names: dict[bytes, str] = {}

    def get(self, raw: bytes) -> str:
        """The topic name that ``raw`` encodes."""
        known = self.names.get(raw)
        if known is not None:
            return known
        topic = check_topic_name(decode_utf8(raw))
        if len(raw) <= MAX_CACHED_BYTES:
            if len(self.names) >= self.limit:
                self._drop_oldest_quarter()
            self.names[raw] = topic
        return topic

    def _drop_oldest_quarter(self) -> None:
        for raw in list(self.names)[: self.limit // 4 + 1]:
            del self.names[raw]


def check_topic_name(topic: str) -> str:
    """``topic`` if it is a topic name, else an error; an empty one is a Protocol Error [MQTT-4.7.3-1]."""
    if topic == "":
        raise ProtocolError("an empty topic name [MQTT-4.7.3-1]")
    if "+" in topic or "#" in topic:
        raise MqttError(TOPIC_NAME_INVALID, "a wildcard in a topic name [MQTT-3.3.2-2]")
    return topic
