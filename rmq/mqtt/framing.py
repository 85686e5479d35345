"""Turns the bytes of a connection into packets: keeps what isn't complete, decodes what is."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.decode import (
    check_flags,
    decode_ack,
    decode_auth,
    decode_disconnect,
    decode_subscribe,
    decode_unsubscribe,
    read_publish_properties,
)
from rmq.mqtt.decode_connect import decode_connect, read_protocol_level
from rmq.mqtt.errors import (
    MalformedPacketError,
    MqttError,
    PacketTooLargeError,
    ProtocolError,
    UnsupportedProtocolError,
)
from rmq.mqtt.packets import Ack, Connect, Packet, Pingreq, Publish
from rmq.mqtt.primitives import Reader
from rmq.mqtt.topic_cache import TopicCache

_FIRST_CONNECT: Final = codes.CONNECT << 4
_FIRST_PUBLISH: Final = codes.PUBLISH << 4
_FIRST_AFTER_PUBLISH: Final = codes.PUBACK << 4
_FIRST_AFTER_PUBCOMP: Final = codes.SUBSCRIBE << 4


class Decoder:
    """Decodes what a client sends. ``version`` is 0 until its CONNECT was seen, then V31, V311 or V5.

    The first bad packet sets ``error`` and ends decoding: nothing after it can be trusted [MQTT-4.13.1-1].
    """

    __slots__ = ("_from_server", "_needed", "_padded", "_tail", "_topics", "error", "max_packet_size", "version")

    def __init__(self, max_packet_size: int, topics: TopicCache) -> None:
        self.max_packet_size = max_packet_size
        self.version: int = 0
        self.error: MqttError | None = None
        self._topics = topics
        self._from_server: bool = False
        # A packet that isn't complete: its bytes so far, and its whole size once the fixed header is known, else 0.
        self._tail: bytearray = bytearray()
        self._needed: int = 0
        self._padded: bool = False

    @property
    def buffered_bytes(self) -> int:
        """Bytes held of a packet that isn't complete."""
        return len(self._tail)

    def feed(self, data: bytes) -> list[Packet]:
        """All packets that ``data`` completes, in order; those before a bad packet too."""
        packets: list[Packet] = []
        if self.error is not None:
            return packets
        try:
            start = 0
            if len(self._tail) > 0:
                start = self._feed_tail(data, packets)
            self._decode(data, start, packets)
        except MqttError as error:
            # Without its traceback: the frames in it hold this decoder, and a cycle lives until a rare full collection.
            self.error = error.with_traceback(None)
            self._drop_tail()
        return packets

    def _feed_tail(self, data: bytes, packets: list[Packet]) -> int:
        """Takes from ``data`` what the packet in the tail still needs; where the next packet begins.

        Only this packet is copied once more, however small the reads are in which a large one arrives.
        """
        tail = self._tail
        size = len(data)
        start = 0
        while self._needed == 0:
            if start == size:
                return size
            tail.append(data[start])
            start += 1
            self._needed = self._packet_size(bytes(tail), 0)
        missing = self._needed - len(tail)
        if size - start < missing:
            tail += data[start:] if start else data
            return size
        tail += data[start : start + missing]
        whole = bytes(tail)
        self._drop_tail()
        self._decode(whole, 0, packets)
        return start + missing

    def _drop_tail(self) -> None:
        self._tail = bytearray()
        self._needed = 0

    def _packet_size(self, data: bytes, pos: int) -> int:
        """Size of the packet that begins at ``pos``, 0 when its fixed header isn't complete."""
        if self.version == 0 and data[pos] != _FIRST_CONNECT:
            # A peer that doesn't speak MQTT is told so at its first byte.
            self._decode_other(data[pos], data, pos, pos, 0)
        size = len(data)
        at = pos + 1
        remaining = 0
        shift = 0
        while at < size:
            digit = data[at]
            at += 1
            remaining |= (digit & 127) << shift
            if digit < 128:
                if digit == 0 and shift != 0 and self.version == codes.V5:
                    raise MalformedPacketError("a remaining length longer than needed [MQTT-1.5.5-1]")
                total = at - pos + remaining
                if total > self.max_packet_size:
                    raise PacketTooLargeError(f"a packet of {total} bytes, the limit is {self.max_packet_size}")
                return total
            shift += 7
            if shift > 21:
                raise MalformedPacketError("a remaining length of more than four bytes [MQTT 5.0, 2.1.4]")
        return 0

    def _decode(self, data: bytes, pos: int, packets: list[Packet]) -> None:
        """Decodes the packets of ``data`` from ``pos`` on and keeps the rest.

        PUBLISH without properties and acknowledgements without a reason are taken apart right here: they are
        nearly all of a broker's traffic, and a call and a Reader would double their cost.
        """
        size = len(data)
        version = self.version
        topics = self._topics
        last_raw = b""
        last_topic = ""
        while pos + 1 < size:
            first = data[pos]
            remaining = data[pos + 1]
            body = pos + 2
            if remaining > 127:
                remaining &= 127
                shift = 7
                while True:
                    if body == size:
                        remaining = size  # the rest of the header is still to come
                        break
                    digit = data[body]
                    body += 1
                    remaining |= (digit & 127) << shift
                    if digit < 128:
                        if digit == 0:
                            # Only MQTT 5 forbids needless digits [MQTT-1.5.5-1]; a CONNECT is judged later.
                            if version == codes.V5:
                                raise MalformedPacketError("a remaining length longer than needed [MQTT-1.5.5-1]")
                            self._padded = True
                        break
                    shift += 7
                    if shift > 21:
                        raise MalformedPacketError("a remaining length of more than four bytes [MQTT 5.0, 2.1.4]")
            end = body + remaining
            if end > size:
                break
            if end - pos > self.max_packet_size:
                raise PacketTooLargeError(f"a packet of {end - pos} bytes, the limit is {self.max_packet_size}")
            if _FIRST_PUBLISH <= first < _FIRST_AFTER_PUBLISH and version != 0:
                at = body + 2
                if at > end:
                    raise MalformedPacketError("PUBLISH ends inside its topic name")
                name_end = at + ((data[body] << 8) | data[body + 1])
                if name_end > end:
                    raise MalformedPacketError("PUBLISH ends inside its topic name")
                raw = data[at:name_end]
                if raw != last_raw:  # most publishers keep to one topic: no hash, no look-up
                    last_raw = raw
                    last_topic = topics.get(raw) if raw else ""
                at = name_end
                qos = (first >> 1) & 3
                packet_id = 0
                if qos != 0:
                    if qos == 3:
                        raise MalformedPacketError("PUBLISH with QoS 3 [MQTT-3.3.1-4]")
                    at += 2
                    if at > end:
                        raise MalformedPacketError("PUBLISH ends inside its packet identifier")
                    packet_id = (data[name_end] << 8) | data[name_end + 1]
                    if packet_id == 0:
                        raise MalformedPacketError("packet identifier 0 [MQTT-2.2.1-3]")
                elif first & 8:
                    raise MalformedPacketError("the DUP flag in a QoS 0 PUBLISH [MQTT-3.3.1-2]")
                if version == codes.V5 and (at == end or data[at] != 0):
                    publish = Publish(last_topic, b"", qos, first & 1 != 0, first & 8 != 0, packet_id)
                    at = read_publish_properties(data, at, end, publish, self._from_server)
                    publish.payload = data[at:end]
                    if last_topic == "" and publish.topic_alias == 0:
                        raise ProtocolError("neither topic name nor topic alias in PUBLISH [MQTT 5.0, 3.3.2.1]")
                    packets.append(publish)
                else:
                    if last_topic == "":
                        raise ProtocolError("an empty topic name in PUBLISH [MQTT-4.7.3-1]")
                    if version == codes.V5:
                        at += 1
                    packets.append(Publish(last_topic, data[at:end], qos, first & 1 != 0, first & 8 != 0, packet_id))
            elif remaining == 2 and _FIRST_AFTER_PUBLISH <= first < _FIRST_AFTER_PUBCOMP and version != 0:
                packet_id = (data[body] << 8) | data[body + 1]
                if packet_id == 0:
                    raise MalformedPacketError("packet identifier 0 [MQTT-2.2.1-3]")
                packet_type = first >> 4
                if first & 15 != (2 if packet_type == codes.PUBREL else 0):
                    check_flags(first, 2 if packet_type == codes.PUBREL else 0, version)
                packets.append(Ack(packet_type, packet_id))
            else:
                packets.append(self._decode_other(first, data, body, end, version))
                version = self.version
            pos = end
        if pos < size:
            self._needed = self._packet_size(data, pos)
            self._tail = bytearray(data[pos:])

    def _decode_other(self, first: int, data: bytes, pos: int, end: int, version: int) -> Packet:
        """Decodes any packet but the commonest ones from its body ``data[pos:end]``."""
        packet_type = first >> 4
        if version == 0:
            if packet_type != codes.CONNECT:
                raise ProtocolError("the first packet isn't CONNECT [MQTT-3.1.0-1]")
            check_flags(first, 0, 0)
            return self._decode_connect(Reader(data, pos, end))
        reader = Reader(data, pos, end)
        if packet_type == codes.PINGREQ:
            check_flags(first, 0, version)
            reader.expect_end()
            return Pingreq()
        if codes.PUBACK <= packet_type <= codes.PUBCOMP:
            return decode_ack(first, reader, version)
        if packet_type == codes.SUBSCRIBE:
            return decode_subscribe(first, reader, version)
        if packet_type == codes.UNSUBSCRIBE:
            return decode_unsubscribe(first, reader, version)
        if packet_type == codes.DISCONNECT:
            return decode_disconnect(first, reader, version, False)
        if packet_type == codes.AUTH:
            return decode_auth(first, reader, version)
        if packet_type == codes.CONNECT:
            raise ProtocolError("a second CONNECT [MQTT-3.1.0-2]")
        if packet_type == 0:
            raise MalformedPacketError("packet type 0 is reserved [MQTT 5.0, 2.1.2]")
        raise ProtocolError(f"a client sent {codes.PACKET_NAMES[packet_type]} [MQTT 5.0, 2.1.2]")

    def _decode_connect(self, reader: Reader) -> Connect:
        """CONNECT; ``version`` is set as soon as it is known, so that an error is answered in the right form."""
        try:
            level = read_protocol_level(reader)
        except UnsupportedProtocolError:
            # A level above ours is a later version's: the newest form of CONNACK is the best guess.
            self.version = codes.V5 if reader.data[reader.pos - 1] >= codes.V5 else codes.V311
            raise
        self.version = level
        if self._padded and level == codes.V5:
            raise MalformedPacketError("a remaining length longer than needed [MQTT-1.5.5-1]")
        return decode_connect(reader, level)
