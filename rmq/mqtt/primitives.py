"""Primitive data types of the wire, read and written: integers, UTF-8 strings, binary data."""

from rmq.mqtt.codes import MAX_VARINT
from rmq.mqtt.errors import MalformedPacketError


def is_utf8(payload: bytes) -> bool:
    """Whether ``payload`` is well-formed UTF-8, as Payload Format Indicator 1 promises [MQTT 5.0, 3.3.2.3.2]."""
    if payload.isascii():
        return True
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode_utf8(raw: bytes) -> str:
    """The text of an MQTT string; surrogates and U+0000 are malformed [MQTT-1.5.4-1], [MQTT-1.5.4-2]."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPacketError("a string isn't well-formed UTF-8 [MQTT-1.5.4-1]") from None
    if "\0" in text:
        raise MalformedPacketError("a string holds U+0000 [MQTT-1.5.4-2]")
    return text


class Reader:
    """Reads the fields of one packet from ``data[pos:end]``; a field that runs over ``end`` is malformed."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, pos: int, end: int) -> None:
        self.data = data
        self.pos = pos
        self.end = end

    def byte(self) -> int:
        pos = self.pos
        if pos >= self.end:
            raise MalformedPacketError("the packet ends inside a field")
        self.pos = pos + 1
        return self.data[pos]

    def uint16(self) -> int:
        pos = self.pos
        if pos + 2 > self.end:
            raise MalformedPacketError("the packet ends inside a field")
        self.pos = pos + 2
        data = self.data
        return (data[pos] << 8) | data[pos + 1]

    def uint32(self) -> int:
        high = self.uint16()
        return (high << 16) | self.uint16()

    def varint(self) -> int:
        """A variable byte integer: at most four bytes [MQTT 5.0, 1.5.5] and no longer than needed [MQTT-1.5.5-1]."""
        digit = self.byte()
        if digit < 128:
            return digit
        value = digit & 127
        shift = 7
        while True:
            digit = self.byte()
            value |= (digit & 127) << shift
            if digit < 128:
                break
            shift += 7
            if shift > 21:
                raise MalformedPacketError("a variable byte integer is longer than four bytes")
        if digit == 0:
            raise MalformedPacketError("a variable byte integer is longer than needed [MQTT-1.5.5-1]")
        return value

    def binary(self) -> bytes:
        """Binary data: two bytes of length and as many bytes [MQTT 5.0, 1.5.6]."""
        size = self.uint16()
        pos = self.pos
        end = pos + size
        if end > self.end:
            raise MalformedPacketError("the packet ends inside a string or binary data")
        self.pos = end
        return self.data[pos:end]

    def string(self) -> str:
        """A UTF-8 encoded string [MQTT 5.0, 1.5.4]."""
        return decode_utf8(self.binary())

    def packet_id(self) -> int:
        """A packet identifier, never 0 [MQTT-2.2.1-3], [MQTT-2.2.1-4]."""
        packet_id = self.uint16()
        if packet_id == 0:
            raise MalformedPacketError("packet identifier 0 [MQTT-2.2.1-3]")
        return packet_id

    def expect_end(self) -> None:
        """Nothing may follow the last field."""
        if self.pos != self.end:
            raise MalformedPacketError("bytes after the last field of the packet")


def varint_size(value: int) -> int:
    """How many bytes ``value`` takes as a variable byte integer."""
    if value < 128:
        return 1
    if value < 16_384:
        return 2
    if value < 2_097_152:
        return 3
    return 4


def encode_varint(value: int) -> bytes:
    """``value`` as a variable byte integer of the fewest bytes."""
    out = bytearray()
    write_varint(out, value)
    return bytes(out)


def write_varint(out: bytearray, value: int) -> None:
    if value < 0 or value > MAX_VARINT:
        raise ValueError(f"{value} isn't a variable byte integer")
    while value > 127:
        out.append((value & 127) | 128)
        value >>= 7
    out.append(value)


def write_uint16(out: bytearray, value: int) -> None:
    out.append(value >> 8)
    out.append(value & 255)


def write_uint32(out: bytearray, value: int) -> None:
    write_uint16(out, value >> 16)
    write_uint16(out, value & 65_535)


def write_binary(out: bytearray, raw: bytes) -> None:
    if len(raw) > 65_535:
        raise ValueError("a string or binary data is longer than 65,535 bytes [MQTT 5.0, 1.5.4]")
    write_uint16(out, len(raw))
    out += raw


def write_string(out: bytearray, text: str) -> None:
    """Writes a UTF-8 string; what may not stand in one is a ValueError (surrogates raise UnicodeEncodeError)."""
    if "\0" in text:
        raise ValueError("a string holds U+0000 [MQTT-1.5.4-2]")
    write_binary(out, text.encode("utf-8"))


def packet(first: int, body: bytearray) -> bytes:
    """A whole packet: fixed header and ``body``."""
    out = bytearray()
    out.append(first)
    write_varint(out, len(body))
    out += body
    return bytes(out)
