"""Breaks packets: a seeded choice of mutations from single bits up to whole properties and spliced packets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.support import wire
from tests.support.packet_notation import varint

from .corpus import Frame

# Bytes at which decoders change their mind: limits of lengths, flags, UTF-8 and wildcards.
INTERESTING_BYTES = bytes([0x00, 0x01, 0x02, 0x7F, 0x80, 0x81, 0xC0, 0xED, 0xF8, 0xFF, 0x23, 0x2B, 0x2F, 0x24])
NASTY_STRINGS = (
    b"",
    b"#",
    b"+",
    b"a/#/b",
    b"a+",
    b"/",
    b"//",
    b"\x00",
    b"a\x00b",
    b"\xc0\x80",  # U+0000 in an overlong form
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # above U+10FFFF
    b"\xff\xfe",
    b"\xef\xbb\xbfbom",
    b"\xef\xbf\xbf",  # a non-character, which is allowed
    b"$share",
    b"$share/",
    b"$share/g",
    b"$share/g/",
    b"$share/+/t",
    b"$SYS/brokers",
    b"x" * 65535,
    b"/" * 300,
)
ALL_PROPERTIES: tuple[wire.Property, ...] = (
    (wire.PAYLOAD_FORMAT, 2),
    (wire.MESSAGE_EXPIRY, 0xFFFFFFFF),
    (wire.CONTENT_TYPE, b"\xff"),
    (wire.RESPONSE_TOPIC, "a/#"),
    (wire.CORRELATION_DATA, b"x" * 2000),
    (wire.SUBSCRIPTION_ID, 0),
    (wire.SUBSCRIPTION_ID, 268_435_455),
    (wire.SESSION_EXPIRY, 0xFFFFFFFF),
    (wire.ASSIGNED_CLIENT_ID, "x"),
    (wire.SERVER_KEEP_ALIVE, 1),
    (wire.AUTH_METHOD, "SCRAM"),
    (wire.AUTH_DATA, b""),
    (wire.REQUEST_PROBLEM_INFO, 2),
    (wire.WILL_DELAY, 0xFFFFFFFF),
    (wire.REQUEST_RESPONSE_INFO, 2),
    (wire.REASON_STRING, b"a\x00b"),
    (wire.RECEIVE_MAXIMUM, 0),
    (wire.RECEIVE_MAXIMUM, 1),
    (wire.TOPIC_ALIAS_MAXIMUM, 0xFFFF),
    (wire.TOPIC_ALIAS, 0),
    (wire.TOPIC_ALIAS, 0xFFFF),
    (wire.MAXIMUM_QOS, 1),
    (wire.USER_PROPERTY, ("", "")),
    (wire.USER_PROPERTY, ("k" * 1000, "v" * 1000)),
    (wire.MAXIMUM_PACKET_SIZE, 0),
    (wire.MAXIMUM_PACKET_SIZE, 2),
)


# Topic names any client may use: to collide with others, to grow the tries deep and wide.
ODD_TOPICS = (
    "fuzz/0/a",
    "fuzz/0/a/b",
    "fuzz/1/kept",
    "/",
    "a//b",
    "fuzz/7/" + "deep/" * 60,
    "Ω≈ç√",
    "$fuzz/x",
    " ",
    "é" * 300,
)
ACK_REASONS = bytes([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x92, 0x97, 0x99])


class Mutator:
    """The same seed gives the same packets."""

    def __init__(self, seed: int, frames: Sequence[Frame]) -> None:
        self.random = random.Random(seed)
        self._frames = frames
        self._encoded = [frame.encode() for frame in frames]
        self._of_frame: tuple[Callable[[Frame], bytes], ...] = (
            self._duplicate_property,
            self._alien_property,
            self._drop_properties,
            self._property_length,
            self._nasty_string,
            self._number_field,
            self._flags,
        )
        self._of_body: tuple[Callable[[bytes], bytes], ...] = (
            self._flip_bits,
            self._set_byte,
            self._delete_slice,
            self._repeat_slice,
            self._insert_noise,
            self._cut,
            self._splice,
        )

    def mutate(self, frame: Frame) -> bytes:
        """One broken packet; now and then it is by chance still a valid one."""
        kind = self.random.randrange(16)
        if kind < 6:
            return self._stay_well_formed(frame)
        if kind < 10:
            return self.random.choice(self._of_frame)(frame)
        if kind < 14:
            # The length stays right, so that the decoder gets to the broken place.
            body = frame.body()
            for _ in range(self.random.choice((1, 1, 1, 2, 4))):
                body = self.random.choice(self._of_body)(body)
            return wire.raw(frame.first_byte, body)
        if kind == 14:
            return self.random.choice(self._of_body)(frame.encode())
        return self._fixed_header(frame)

    def chunks(self, data: bytes) -> list[bytes]:
        """`data` cut as a network may cut it: whole, in a few pieces or (short ones) byte by byte."""
        how = self.random.randrange(16)
        if how < 6 or len(data) < 2:
            return [data]
        if how == 6 and len(data) < 200:
            return [data[i : i + 1] for i in range(len(data))]
        cuts = sorted(self.random.randrange(1, len(data)) for _ in range(self.random.randint(1, 5)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if b > a]

    # Mutations a decoder lets through, so that they reach what lies behind it

    def _stay_well_formed(self, frame: Frame) -> bytes:
        packet_type = frame.first_byte >> 4
        if packet_type == 3:
            return self._another_publish(frame)
        if 4 <= packet_type <= 7:
            changed = self._packet_id() + frame.before[2:]
            if len(changed) == 3:
                changed = changed[:2] + bytes([self.random.choice(ACK_REASONS)])
            return replace(frame, before=changed).encode()
        if packet_type in (8, 10):
            return replace(frame, before=self._packet_id(), properties=self._more_user_properties(frame)).encode()
        return frame.encode()

    def _another_publish(self, frame: Frame) -> bytes:
        """Another topic, packet identifier, payload or other flags; PUBLISH stays PUBLISH of the same QoS."""
        length = 2 + int.from_bytes(frame.before[:2], "big")
        topic, packet_id = frame.before[:length], frame.before[length:]
        flags = self.random.choice((0, 1, 8, 9) if packet_id else (0, 1))
        how = self.random.randrange(4)
        if how == 0:
            topic = wire.string(self.random.choice(ODD_TOPICS))
        elif how == 1 and packet_id:
            packet_id = self._packet_id()
        after = self.random.randbytes(self.random.choice((0, 1, 100, 5000))) if how == 2 else frame.after
        properties = self._more_user_properties(frame) if how == 3 else frame.properties
        return Frame((frame.first_byte & 0xF6) | flags, topic + packet_id, properties, after).encode()

    def _more_user_properties(self, frame: Frame) -> tuple[wire.Property, ...] | None:
        if frame.properties is None:
            return None
        return frame.properties + ((wire.USER_PROPERTY, ("again", "")),) * self.random.choice((0, 1, 50))

    def _packet_id(self) -> bytes:
        """Few, so that they meet others that are in use."""
        return self.random.choice((1, 2, 3, 4, 10, 11, 12, 13, 14, 65535)).to_bytes(2, "big")

    # Mutations that know the packet

    def _duplicate_property(self, frame: Frame) -> bytes:
        if not frame.properties:
            return self._alien_property(frame)
        again = self.random.choice(frame.properties)
        properties = list(frame.properties)
        properties.insert(self.random.randint(0, len(properties)), again)
        return replace(frame, properties=tuple(properties)).encode()

    def _alien_property(self, frame: Frame) -> bytes:
        properties = list(frame.properties or ())
        for _ in range(self.random.choice((1, 1, 2))):
            properties.insert(self.random.randint(0, len(properties)), self.random.choice(ALL_PROPERTIES))
        return replace(frame, properties=tuple(properties)).encode()

    def _drop_properties(self, frame: Frame) -> bytes:
        kept = tuple(p for p in frame.properties or () if self.random.random() < 0.5)
        return replace(frame, properties=None if self.random.random() < 0.3 else kept).encode()

    def _property_length(self, frame: Frame) -> bytes:
        block = wire.properties_block(frame.properties or ())
        content = block[len(varint(len(block))) :] if len(block) > 1 else b""
        wrong = self.random.choice((0, len(content) + 1, max(0, len(content) - 1), 127, 128, 16_384, 268_435_455))
        length = self.random.choice((varint(wrong), b"\x80\x00", b"\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80"))
        return wire.raw(frame.first_byte, frame.before + length + content + frame.after)

    def _nasty_string(self, frame: Frame) -> bytes:
        """Put a nasty string where the packet most likely has one: at its start or behind its properties."""
        nasty = wire.string(self.random.choice(NASTY_STRINGS))
        if self.random.random() < 0.5:
            return replace(frame, before=nasty + frame.before[2 + int.from_bytes(frame.before[:2], "big") :]).encode()
        length = 2 + int.from_bytes(frame.after[:2], "big")
        return replace(frame, after=nasty + frame.after[length:]).encode()

    def _number_field(self, frame: Frame) -> bytes:
        """The last two bytes before the properties: a packet identifier, a keep alive, a reason code."""
        number = self.random.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF, self.random.randrange(65536)))
        return replace(frame, before=frame.before[:-2] + number.to_bytes(2, "big")).encode()

    def _flags(self, frame: Frame) -> bytes:
        return replace(frame, first_byte=(frame.first_byte & 0xF0) | self.random.randrange(16)).encode()

    # Mutations of bytes

    def _flip_bits(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 8))):
            if changed:
                changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def _set_byte(self, data: bytes) -> bytes:
        if not data:
            return bytes([self.random.choice(INTERESTING_BYTES)])
        at = self.random.randrange(len(data))
        return data[:at] + bytes([self.random.choice(INTERESTING_BYTES)]) + data[at + 1 :]

    def _delete_slice(self, data: bytes) -> bytes:
        start, end = self._slice(data)
        return data[:start] + data[end:]

    def _repeat_slice(self, data: bytes) -> bytes:
        start, end = self._slice(data)
        return data[:end] + data[start:end] * self.random.randint(1, 3) + data[end:]

    def _insert_noise(self, data: bytes) -> bytes:
        at = self.random.randint(0, len(data))
        return data[:at] + self.random.randbytes(self.random.choice((1, 2, 5, 40))) + data[at:]

    def _cut(self, data: bytes) -> bytes:
        return data[: self.random.randint(0, len(data))]

    def _splice(self, data: bytes) -> bytes:
        other = self.random.choice(self._encoded)
        return data[: self.random.randint(0, len(data))] + other[self.random.randint(0, len(other)) :]

    def _slice(self, data: bytes) -> tuple[int, int]:
        start = self.random.randint(0, len(data))
        return start, min(len(data), start + self.random.choice((1, 2, 4, 32)))

    # The fixed header

    def _fixed_header(self, frame: Frame) -> bytes:
        body = frame.body()
        kind = self.random.randrange(5)
        if kind == 0:
            return bytes([self.random.randrange(256)]) + varint(len(body)) + body
        if kind == 1:
            wrong = max(0, len(body) + self.random.choice((-2, -1, 1, 2, 5, 100)))
            return bytes([frame.first_byte]) + varint(wrong) + body
        if kind == 2:
            length = varint(len(body))
            padded = length[:-1] + bytes([length[-1] | 0x80]) + b"\x00"
            return bytes([frame.first_byte]) + padded + body
        if kind == 3:
            length = self.random.choice(
                (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x01", b"\xff")
            )
            return bytes([frame.first_byte]) + length + body
        return self.random.randbytes(self.random.randint(1, 40))
