"""What MQTT says of a message, as headers of NATS, and back.

The library gives one value for each name, and strips it. So where a header can't say a user property exactly (a name
that stands there twice, or is none of HTTP's tokens, blanks around a value), all of them go as JSON in a header
of their own too, and that one counts on the way back.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

import orjson

from rmq.plugin_api import Properties, Publish, is_valid_topic_name
from rmq_plugins.bridges.marks import CROSSED

# RMQTT's names of what a PUBLISH has.
QOS, RETAIN, DUP, PACKET_ID, TOPIC = "qos", "retain", "dup", "packet_id", "topic"
# Those of MQTT 5's properties.
FORMAT: Final = "Mqtt-Payload-Format"
EXPIRY: Final = "Mqtt-Message-Expiry"
CONTENT_TYPE: Final = "Mqtt-Content-Type"
RESPONSE_TOPIC: Final = "Mqtt-Response-Topic"
CORRELATION: Final = "Mqtt-Correlation-Data"  # base64
USER_PROPERTIES: Final = "Mqtt-User-Properties"  # JSON: a list of pairs
# Names that mean something to NATS ("Nats-Rollup" empties a stream), or here: never taken from a client's property.
_RESERVED: Final = re.compile(r"(?i:nats-.*|mqtt-.*|qos|retain|dup|packet_id|topic|status|description|rmq-bridge.*)")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]+")
_MAX_STRING: Final = 65_535  # [MQTT 5.0, 1.5.4]
_MAX_EXPIRY: Final = 0xFFFF_FFFF
_NO_CONTROL: Final = dict.fromkeys((*range(32), 127))


def headers_of(packet: Publish, properties: Properties, *, publish: bool) -> dict[str, str]:
    """The headers of a message; ``publish``: with what its PUBLISH said."""
    pairs = [pair for pair in properties.user_properties or () if pair[0] != CROSSED]
    found = {name: value for name, value in pairs if _is_exact(name, value)}
    if len(found) != len(pairs):
        found[USER_PROPERTIES] = orjson.dumps(pairs).decode()
    crossed = [value for name, value in properties.user_properties or () if name == CROSSED]
    if crossed:
        found[CROSSED] = orjson.dumps(crossed).decode()
    if publish:
        found[QOS] = str(packet.qos)
        found[RETAIN] = "true" if packet.retain else "false"
        found[DUP] = "true" if packet.dup else "false"
        found[PACKET_ID] = str(packet.packet_id)
        found[TOPIC] = packet.topic.translate(_NO_CONTROL)
    if properties.payload_format >= 0:
        found[FORMAT] = str(properties.payload_format)
    if packet.message_expiry >= 0:
        found[EXPIRY] = str(packet.message_expiry)
    if properties.content_type is not None:
        found[CONTENT_TYPE] = properties.content_type.translate(_NO_CONTROL)
    if properties.response_topic is not None:
        found[RESPONSE_TOPIC] = properties.response_topic.translate(_NO_CONTROL)
    if properties.correlation_data is not None:
        found[CORRELATION] = base64.b64encode(properties.correlation_data).decode()
    return found


def read_headers(headers: Mapping[str, str], properties: Properties) -> int:
    """Put what headers say into ``properties``, but what MQTT can't have. Returns the Message Expiry, -1: none."""
    pairs = [
        (name, value)
        for name, value in headers.items()
        if not _RESERVED.fullmatch(name) and _is_string(name) and _is_string(value)
    ]
    exact = _pairs(headers.get(USER_PROPERTIES, ""))
    properties.user_properties = pairs if exact is None else exact
    properties.user_properties += [(CROSSED, bridge) for bridge in _strings(headers.get(CROSSED, ""))]
    if headers.get(FORMAT) in ("0", "1"):
        properties.payload_format = int(headers[FORMAT])
    if CONTENT_TYPE in headers and _is_string(headers[CONTENT_TYPE]):
        properties.content_type = headers[CONTENT_TYPE]
    if is_valid_topic_name(headers.get(RESPONSE_TOPIC, "")):
        properties.response_topic = headers[RESPONSE_TOPIC]
    if CORRELATION in headers:
        try:
            data = base64.b64decode(headers[CORRELATION], validate=True)
        except (binascii.Error, ValueError):
            data = b""
        properties.correlation_data = data if 0 < len(data) <= _MAX_STRING else None
    return _number(headers.get(EXPIRY, ""), _MAX_EXPIRY)


def read_qos(headers: Mapping[str, str], default: int) -> int:
    """The QoS that a header says."""
    found = _number(headers.get(QOS, ""), 2)
    return default if found < 0 else found


def read_retain(headers: Mapping[str, str]) -> bool:
    """The RETAIN flag that a header says."""
    return headers.get(RETAIN) == "true"


def _is_exact(name: str, value: str) -> bool:
    return (
        _TOKEN.fullmatch(name) is not None
        and _RESERVED.fullmatch(name) is None
        and value == value.strip()
        and not any(ord(letter) < 0x20 or letter == "\x7f" for letter in value)
    )


def _is_string(text: str) -> bool:
    return "\0" not in text and len(text.encode("utf-8", "replace")) <= _MAX_STRING


def _number(text: str, most: int) -> int:
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    return found if found <= most else -1


def _pairs(text: str) -> list[tuple[str, str]] | None:
    found = _json(text)
    if not isinstance(found, list):
        return None
    pairs = []
    for one in found:
        if not (isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)):
            return None
        if _is_string(one[0]) and _is_string(one[1]) and one[0] != CROSSED:
            pairs.append((one[0], one[1]))
    return pairs


def _strings(text: str) -> list[str]:
    found = _json(text)
    return [one for one in found if isinstance(one, str) and _is_string(one)] if isinstance(found, list) else []


def _json(text: str) -> object:
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found
