"""Messages and wills as lists that msgpack can write, and back. The order of fields never changes."""

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.storage.fields import as_bytes, as_fields, as_float, as_int, as_str


def encode_message(m: Message | None) -> list[object] | None:
    """A message with its payload, which must be in memory."""
    if m is None:
        return None
    return [m.topic, m.payload, m.qos, m.retain, m.publisher, m.properties, m.expires_at, m.created_at, m.origin]


def decode_message(fields: list[object]) -> Message:
    """The message that a list stands for."""
    return Message(
        as_str(fields[0]),
        as_bytes(fields[1]),
        as_int(fields[2]),
        bool(fields[3]),
        as_str(fields[4]),
        as_bytes(fields[5]),
        as_float(fields[6]),
        as_float(fields[7]),
        as_int(fields[8]),
    )


def encode_will(w: Will | None) -> list[object] | None:
    """A will as a list."""
    if w is None:
        return None
    return [w.topic, w.payload, w.qos, w.retain, w.delay_interval, w.message_expiry, w.properties]


def decode_will(value: object) -> Will | None:
    """The will that a list stands for."""
    if value is None:
        return None
    f = as_fields(value)
    return Will(as_str(f[0]), as_bytes(f[1]), as_int(f[2]), bool(f[3]), as_int(f[4]), as_int(f[5]), as_bytes(f[6]))
