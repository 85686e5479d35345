"""A small MQTT 3.1.1 client with blocking calls, for probes and for filling."""

from __future__ import annotations

import socket
import struct
import time
from types import TracebackType
from typing import Self

CONNACK = 2
PUBLISH = 3
PUBACK = 4
SUBACK = 9
PINGRESP = 13


class ClientError(Exception):
    """The connection was refused, closed, or nothing came in time."""


class Client:
    """One connection; every call raises ClientError when the broker refuses, closes or says nothing in time."""

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._buffer = b""
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        except OSError as error:
            raise ClientError(f"port {port}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say DISCONNECT, if somebody listens, and close."""
        try:
            self._socket.send(b"\xe0\x00")
        except OSError:
            pass
        self._socket.close()

    def connect(self, client_id: str, *, clean: bool) -> bool:
        """CONNECT; whether a session was present."""
        self.send(connect(client_id, clean=clean))
        answer = self.expect(CONNACK)
        if answer[1]:
            raise ClientError(f"CONNACK {answer[1]}")
        return bool(answer[0] & 1)

    def subscribe(self, *filters: str) -> None:
        """SUBSCRIBE with QoS 1 to all of them."""
        self.send(subscribe(*filters))
        if any(code >= 0x80 for code in self.expect(SUBACK)[2:]):
            raise ClientError("the subscription was refused")

    def publish(self, topic: str, payload: bytes, packet_id: int) -> None:
        """PUBLISH with QoS 1, and wait for its PUBACK."""
        self.send(publish(topic, payload, packet_id))
        while struct.unpack("!H", self.expect(PUBACK)[:2])[0] != packet_id:
            pass

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(self._timeout_s)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ClientError(str(error)) from error

    def expect(self, kind: int, timeout_s: float | None = None) -> bytes:
        """The body of the next packet of this type; others are passed over."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while True:
            packet = self._cut()
            if packet is None:
                self._read(deadline - time.monotonic())
            elif packet[0] >> 4 == kind:
                return packet[1]

    def available(self, timeout_s: float) -> list[tuple[int, bytes]]:
        """(first byte, body) of all packets that are there, or come first within this time."""
        found: list[tuple[int, bytes]] = []
        while (packet := self._cut()) is not None:
            found.append(packet)
        if found:
            return found
        try:
            self._socket.settimeout(max(timeout_s, 0.0001))
            more = self._socket.recv(65536)
        except TimeoutError:
            return []
        except OSError as error:
            raise ClientError(str(error)) from error
        if not more:
            raise ClientError("closed by the broker")
        self._buffer += more
        while (packet := self._cut()) is not None:
            found.append(packet)
        return found

    def _read(self, timeout_s: float) -> None:
        if timeout_s <= 0:
            raise ClientError("no answer in time")
        self._socket.settimeout(timeout_s)
        try:
            more = self._socket.recv(65536)
        except TimeoutError:
            raise ClientError("no answer in time") from None
        except OSError as error:
            raise ClientError(str(error)) from error
        if not more:
            raise ClientError("closed by the broker")
        self._buffer += more

    def _cut(self) -> tuple[int, bytes] | None:
        data = self._buffer
        size = 0
        for at in range(1, min(5, len(data))):
            size |= (data[at] & 0x7F) << 7 * (at - 1)
            if data[at] < 0x80:
                end = at + 1 + size
                if end > len(data):
                    return None
                self._buffer = data[end:]
                return data[0], data[at + 1 : end]
        return None


def connect(client_id: str, *, clean: bool) -> bytes:
    """A CONNECT without keep alive."""
    return _packet(0x10, b"\x00\x04MQTT\x04" + (b"\x02" if clean else b"\x00") + b"\x00\x00" + _text(client_id))


def subscribe(*filters: str) -> bytes:
    """A SUBSCRIBE with QoS 1."""
    return _packet(0x82, b"\x00\x01" + b"".join(_text(one) + b"\x01" for one in filters))


def publish(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH with QoS 1."""
    return _packet(0x32, _text(topic) + struct.pack("!H", packet_id) + payload)


def _packet(first: int, body: bytes) -> bytes:
    head = bytearray((first,))
    size = len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        head.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(head) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!H", len(data)) + data
