"""A raw MQTT client over a blocking socket: sends bytes, reads strictly parsed packets, never sleeps.

"Nothing arrives" is shown by a barrier: a PINGREQ goes out and its PINGRESP must be the next packet.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire import Properties, Will
from tests.support.wire_parser import (
    BadServerPacket,
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
    parse,
)

TIMEOUT_S: Final = float(os.environ.get("RMQ_TEST_TIMEOUT", "20"))
"""How long to wait for what must come; only a failing test waits that long."""

P = TypeVar("P", bound=Packet)


class ConnectionClosed(AssertionError):
    """The server closed the connection where a packet was expected."""


class Silence(AssertionError):
    """Nothing came in time."""


class ClientSocket(Protocol):
    """What a client needs of a socket: a TCP one, and what TLS, WebSocket or a proxy make of it."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, timeout_s: float | None, /) -> None: ...
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def close(self) -> None: ...


class Client:
    """One connection, over TCP or a socket of one's own. ``level`` decides how packets are built and read."""

    def __init__(
        self, address: tuple[str, int], client_id: str = "", level: int = V5, sock: ClientSocket | None = None
    ) -> None:
        self.address = address
        self.client_id = client_id
        self.level = level
        self._socket = sock or _tcp(address)
        self._received = bytearray()
        self._packets: deque[Packet] = deque()
        self._last_packet_id = 0
        self._maximum_packet_size: int | None = None

    # Sending

    def send(self, *packets: bytes) -> None:
        """Send bytes, all in one segment if they are small."""
        self._socket.sendall(b"".join(packets))

    def next_packet_id(self) -> int:
        """The next packet identifier; 1 follows on 65,535, as every exchange of long ago is over [MQTT-2.2.1-3]."""
        self._last_packet_id = self._last_packet_id % 65_535 + 1
        return self._last_packet_id

    def connect(
        self,
        clean: bool = True,
        keep_alive: int = 60,
        properties: Properties = (),
        will: Will | None = None,
        username: str | None = None,
        password: bytes | None = None,
        code: int = 0,
    ) -> Connack:
        """Send CONNECT and expect a CONNACK with ``code``.

        With a Maximum Packet Size among the properties, every packet that comes is held against it [MQTT-3.1.2-24].
        """
        for number, value in properties:
            if number == wire.MAXIMUM_PACKET_SIZE and isinstance(value, int):
                self._maximum_packet_size = value
        self.send(wire.connect(self.client_id, self.level, clean, keep_alive, properties, will, username, password))
        connack = self.expect(Connack)
        assert connack.code == code, connack
        return connack

    def subscribe(self, *filters: str | tuple[str, int], properties: Properties = ()) -> Suback:
        """Subscribe (QoS 0 where no options are given) and expect the SUBACK next."""
        packet_id = self.next_packet_id()
        pairs = [(item, 0) if isinstance(item, str) else item for item in filters]
        self.send(wire.subscribe(packet_id, pairs, properties, self.level))
        suback = self.expect(Suback)
        assert suback.packet_id == packet_id and len(suback.codes) == len(filters), suback
        return suback

    def unsubscribe(self, *filters: str, properties: Properties = ()) -> Unsuback:
        """Unsubscribe and expect the UNSUBACK next."""
        packet_id = self.next_packet_id()
        self.send(wire.unsubscribe(packet_id, filters, properties, self.level))
        unsuback = self.expect(Unsuback)
        assert unsuback.packet_id == packet_id, unsuback
        return unsuback

    def send_publish(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        packet_id: int | None = None,
        retain: bool = False,
        dup: bool = False,
        properties: Properties = (),
    ) -> int:
        """Send a PUBLISH and nothing else; returns its packet identifier."""
        if packet_id is None:
            packet_id = self.next_packet_id() if qos else 0
        self.send(wire.publish(topic, payload, qos, packet_id, retain, dup, properties, self.level))
        return packet_id

    def publish(
        self, topic: str, payload: bytes = b"", qos: int = 1, retain: bool = False, properties: Properties = ()
    ) -> int:
        """The whole exchange of a PUBLISH; returns the reason code (0 at QoS 0, behind a barrier)."""
        packet_id = self.send_publish(topic, payload, qos, None, retain, False, properties)
        if qos == 0:
            self.expect_nothing()
            return 0
        if qos == 1:
            puback = self.expect(Puback)
            assert puback.packet_id == packet_id, puback
            return puback.code
        pubrec = self.expect(Pubrec)
        assert pubrec.packet_id == packet_id, pubrec
        if pubrec.code < 0x80:
            self.send(wire.pubrel(packet_id))
            pubcomp = self.expect(Pubcomp)
            assert pubcomp.packet_id == packet_id and pubcomp.code == 0, pubcomp
        return pubrec.code

    # Receiving

    def receive(self, timeout_s: float | None = None) -> Packet:
        """The next packet."""
        while not self._packets:
            self._read(TIMEOUT_S if timeout_s is None else timeout_s)
        return self._packets.popleft()

    def expect(self, kind: type[P], timeout_s: float | None = None) -> P:
        """The next packet, which must be of this kind."""
        packet = self.receive(timeout_s)
        assert isinstance(packet, kind), f"{kind.__name__} expected, {packet} came"
        return packet

    def next_publish(self, wait: bool) -> Publish | None:
        """The next packet, a PUBLISH, left unacknowledged; None if it has not come yet and ``wait`` is False."""
        if not self._packets and not wait:
            return None
        return self.expect(Publish)

    def receive_publish(self, payload: bytes | None = None, timeout_s: float | None = None) -> Publish:
        """The next packet, a PUBLISH, whose exchange is carried to its end; packets between wait for their turn."""
        publish = self.expect(Publish, timeout_s)
        assert payload is None or publish.payload == payload, publish
        if publish.qos == 1:
            self.send(wire.puback(publish.packet_id))
        elif publish.qos == 2:
            self.send(wire.pubrec(publish.packet_id))
            between: list[Packet] = []
            while not isinstance(packet := self.receive(), Pubrel):
                between.append(packet)
            assert packet.packet_id == publish.packet_id and packet.code == 0, packet
            self._packets.extendleft(reversed(between))
            self.send(wire.pubcomp(publish.packet_id))
        return publish

    def receive_publishes(self, count: int) -> list[Publish]:
        """The next ``count`` PUBLISH packets, their exchanges carried to the end, however they are interleaved."""
        publishes: list[Publish] = []
        unfinished: set[int] = set()
        while len(publishes) < count or unfinished:
            packet = self.receive()
            if isinstance(packet, Publish):
                publishes.append(packet)
                if packet.qos == 1:
                    self.send(wire.puback(packet.packet_id))
                elif packet.qos == 2:
                    unfinished.add(packet.packet_id)
                    self.send(wire.pubrec(packet.packet_id))
            else:
                assert isinstance(packet, Pubrel) and packet.packet_id in unfinished, packet
                unfinished.remove(packet.packet_id)
                self.send(wire.pubcomp(packet.packet_id))
        assert len(publishes) == count, publishes
        return publishes

    def drain(self) -> list[Packet]:
        """All that arrives until a PINGRESP; nothing of it is acknowledged."""
        self.send(wire.pingreq())
        packets: list[Packet] = []
        while True:
            packet = self.receive()
            if isinstance(packet, Pingresp):
                return packets
            packets.append(packet)

    def expect_nothing(self) -> None:
        """The server has nothing more to say, and the connection is alive."""
        packets = self.drain()
        assert packets == [], packets

    def expect_closed(self, timeout_s: float | None = None) -> None:
        """The server closes the connection without a further packet."""
        try:
            packet = self.receive(timeout_s)
        except ConnectionClosed:
            return
        raise AssertionError(f"a close expected, {packet} came")

    def read_to_the_end(self) -> bytes:
        """All bytes until the server closes, unparsed: for answers whose version is part of the question."""
        self._socket.settimeout(TIMEOUT_S)
        try:
            while data := self._socket.recv(65536):
                self._received += data
        except TimeoutError:
            raise Silence(f"not closed, only {self._received.hex(' ')} came") from None
        except ConnectionError:
            pass
        return bytes(self._received)

    def expect_disconnect(self, *codes: int, timeout_s: float | None = None) -> Disconnect | None:
        """Version 5: DISCONNECT with one of the codes, then the close. Version 3: the close."""
        disconnect = None
        if self.level == V5:
            disconnect = self.expect(Disconnect, timeout_s)
            assert disconnect.code in codes, f"{[hex(code) for code in codes]} expected, {disconnect} came"
        self.expect_closed(timeout_s)
        return disconnect

    def disconnect(self, reason: int | None = None, properties: Properties = ()) -> None:
        """DISCONNECT; returns when the server has closed the connection, so it has dealt with the packet."""
        self.send(wire.disconnect(reason, properties))
        self.expect_closed()
        self.close()

    def close(self) -> None:
        """Close the socket without DISCONNECT."""
        self._socket.close()

    def abort(self) -> None:
        """Close the socket with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._socket.close()

    def _read(self, timeout_s: float) -> None:
        """Read once from the socket and parse what is whole."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise Silence(f"nothing came within {timeout_s} s") from None
        except OSError as error:
            raise ConnectionClosed(str(error)) from error
        if not data:
            assert not self._received, f"closed in the middle of a packet: {self._received.hex(' ')}"
            raise ConnectionClosed("closed by the server")
        self._received += data
        self._parse_received()

    def _parse_received(self) -> None:
        buffer = self._received
        while len(buffer) >= 2:
            length = shift = 0
            at = 1
            while True:
                if at == len(buffer):
                    return
                byte = buffer[at]
                length |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                if not byte & 0x80:
                    break
            if len(buffer) < at + length:
                return
            if self._maximum_packet_size is not None and at + length > self._maximum_packet_size:
                raise BadServerPacket(f"[MQTT-3.1.2-24] a packet of {at + length} bytes: {buffer.hex(' ')}")
            self._packets.append(parse(buffer[0], bytes(buffer[at : at + length]), self.level))
            del buffer[: at + length]


def _tcp(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def payloads(packets: Sequence[Packet]) -> list[bytes]:
    """The payloads of the PUBLISH packets among ``packets``."""
    return [packet.payload for packet in packets if isinstance(packet, Publish)]
