"""What an administrator may ask to be changed: messages to publish and topic filters to subscribe, checked."""

from dataclasses import dataclass
from typing import Final

from rmq.management.errors import BadQuery
from rmq.mqtt.codes import MAX_VARINT
from rmq.mqtt.properties import Properties, encode_block
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name, split_shared

MAX_TOPICS: Final = 1000
# A PUBLISH has at most 268,435,455 bytes behind its fixed header [MQTT 5.0, 2.1.4]; topic name, packet identifier and
# the properties that the broker adds for a receiver need some of them.
MAX_MESSAGE_SIZE: Final = MAX_VARINT - 1_048_576
MAX_EXPIRY: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One message for one or several topic names.

    ``publisher`` is the client id in whose name it is published, "" for none: No Local is about that client.
    ``message_expiry_interval`` in seconds, None for never. ``payload_format`` is 0, 1 or None.
    """

    topics: tuple[str, ...]
    payload: bytes
    qos: int = 0
    retain: bool = False
    publisher: str = ""
    message_expiry_interval: int | None = None
    payload_format: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_count("topics", self.topics)
        for topic in self.topics:
            if not is_valid_topic_name(topic):
                raise BadQuery("topics", f"{topic!r} isn't a topic name")
            if topic.startswith("$delayed/"):
                raise BadQuery("topics", f"{topic!r}: delayed messages are published by MQTT clients only")
        _check_qos(self.qos)
        expiry = self.message_expiry_interval
        if expiry is not None and not 0 <= expiry <= MAX_EXPIRY:
            raise BadQuery("message_expiry_interval", f"must be from 0 to {MAX_EXPIRY}, not {expiry}")
        if self.payload_format not in (None, 0, 1):
            raise BadQuery("payload_format", f"must be 0 or 1, not {self.payload_format}")
        if self.response_topic is not None and not is_valid_topic_name(self.response_topic):
            raise BadQuery("response_topic", f"{self.response_topic!r} isn't a topic name")  # [MQTT-3.3.2-14]
        if len(self.payload) + len(self.block()) > MAX_MESSAGE_SIZE:
            raise BadQuery("payload", f"with its properties no more than {MAX_MESSAGE_SIZE} bytes can be sent")

    def block(self) -> bytes:
        """The properties as the forwarded block; ``BadQuery`` for one that can't be sent."""
        properties = Properties(
            -1 if self.payload_format is None else self.payload_format,
            self.content_type,
            self.response_topic,
            self.correlation_data,
            list(self.user_properties),
        )
        try:
            return encode_block(properties)
        except ValueError as error:
            raise BadQuery("properties", str(error)) from None


@dataclass(frozen=True, slots=True)
class FilterRequest:
    """One topic filter with its subscription options, as in a SUBSCRIBE."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0

    def __post_init__(self) -> None:
        _check_qos(self.qos)
        if self.retain_handling not in (0, 1, 2):
            raise BadQuery("retain_handling", f"must be 0, 1 or 2, not {self.retain_handling}")
        if self.no_local and is_valid_topic_filter(self.topic_filter) and split_shared(self.topic_filter)[0]:
            raise BadQuery("no_local", "isn't allowed for a shared subscription")  # [MQTT-3.8.3-4]


def check_filters(count: tuple[object, ...]) -> None:
    """Refuse a request without any topic filter, or with too many."""
    _check_count("topic_filters", count)


def _check_count(parameter: str, values: tuple[object, ...]) -> None:
    if not values:
        raise BadQuery(parameter, "there must be at least one")
    if len(values) > MAX_TOPICS:
        raise BadQuery(parameter, f"no more than {MAX_TOPICS} at once")


def _check_qos(qos: int) -> None:
    if qos not in (0, 1, 2):
        raise BadQuery("qos", f"must be 0, 1 or 2, not {qos}")
