"""Cuts what one read returned: a run of equal-length frames by stride, anything else packet by packet.

Deliveries of one benchmark have one constant length, so a read of n bytes holds n // length frames. That is verified,
not assumed: the fixed header and the topic length must repeat at every frame start (one strided slice each).
"""

from __future__ import annotations

from typing import Final

V5: Final = 5
PUBLISH: Final = 3
INCOMPLETE: Final = -1
MALFORMED: Final = -2
PUBACK_HEAD: Final = b"\x40\x02"
PUBREC_HEAD: Final = b"\x50\x02"


class Layout:
    """Where things are in the deliveries of one connection, learned from the first one and checked on every read."""

    __slots__ = ("frame_len", "head", "head_len", "id_at", "payload_at")

    def __init__(self) -> None:
        self.frame_len = 0
        self.head = b""
        self.head_len = 0
        self.id_at = 0
        self.payload_at = 0


def header_end(data: bytes, at: int) -> int:
    """Index behind the fixed header of the packet at `at`, or INCOMPLETE, or MALFORMED."""
    end = at + 1
    limit = at + 5
    size = len(data)
    while end < size:
        if end == limit:
            return MALFORMED
        if data[end] < 0x80:
            return end + 1
        end += 1
    return MALFORMED if end >= limit else INCOMPLETE


def body_size(data: bytes, at: int, end: int) -> int:
    """The remaining length whose bytes are data[at + 1:end]."""
    size = 0
    shift = 0
    for i in range(at + 1, end):
        size |= (data[i] & 0x7F) << shift
        shift += 7
    return size


def payload_start(data: bytes, body: int, qos: int, version: int) -> int:
    """Index of a PUBLISH payload whose variable header begins at `body`."""
    at = body + 2 + (data[body] << 8 | data[body + 1])
    if qos:
        at += 2
    if version == V5:
        end = header_end(data, at - 1)  # the property length is coded as a remaining length is
        at = end + body_size(data, at - 1, end)
    return at


def learn(layout: Layout, data: bytes, version: int) -> bool:
    """Take the layout of the first packet in `data`; False when it is no PUBLISH or not complete."""
    if len(data) < 2 or data[0] >> 4 != PUBLISH:
        return False
    body = header_end(data, 0)
    if body < 0:
        return False
    frame_len = body + body_size(data, 0, body)
    if frame_len > len(data):
        return False
    qos = data[0] >> 1 & 3
    layout.frame_len = frame_len
    layout.head_len = body + 2
    layout.head = data[: body + 2]
    layout.id_at = body + 2 + (data[body] << 8 | data[body + 1])
    layout.payload_at = payload_start(data, body, qos, version)
    return True


def publish_run(layout: Layout, data: bytes) -> int:
    """How many frames of this layout `data` holds; 0 when it holds anything else besides a last partial one."""
    length = layout.frame_len
    if not length:
        return 0
    size = len(data)
    if size == length:
        return 1 if data.startswith(layout.head) else 0
    if size < length:
        return 0
    head = layout.head
    count = size // length
    end = count * length
    if end != size and data[end : end + layout.head_len] != head[: size - end]:
        return 0  # what is left is another packet, perhaps a complete one: it must not wait for the next read
    for i in range(layout.head_len):
        if data[i:end:length] != head[i : i + 1] * count:
            return 0
    return count


def ack_run(data: bytes, first_byte: int) -> int:
    """How many 4-byte acknowledgements with this first byte `data` consists of; 0 when it holds anything else."""
    size = len(data)
    count = size >> 2
    if count << 2 != size or not size or data[0] != first_byte or data[1] != 2:
        return 0
    if count > 1 and (data[0::4].count(first_byte) != count or data[1::4].count(2) != count):
        return 0
    return count


def acks_for_publishes(first_byte: int, layout: Layout, data: bytes, count: int) -> bytes:
    """PUBACKs or PUBRECs for the `count` frames that `data` begins with."""
    at = layout.id_at
    if count == 1:
        return (PUBACK_HEAD if first_byte == 0x40 else PUBREC_HEAD) + data[at : at + 2]
    length = layout.frame_len
    end = count * length
    acks = bytearray(bytes((first_byte, 2, 0, 0)) * count)
    acks[2::4] = data[at:end:length]
    acks[3::4] = data[at + 1 : end : length]
    return bytes(acks)


def acks_for_acks(first_byte: int, data: bytes, count: int) -> bytes:
    """The next step of a QoS 2 exchange for a run of `count` 4-byte packets: the same ids under another first byte."""
    if count == 1:
        return bytes((first_byte, 2, data[2], data[3]))
    out = bytearray(data)
    out[0::4] = bytes((first_byte,)) * count
    return bytes(out)
