"""Slow and rude clients, a process of its own: python -m tests.bench.rude KIND --port PORT --count N.

Says "ready" when all are in place, goes on until its standard input is closed, and then says how many connections are
still open.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

TICKS_A_SECOND: Final = 10
BATCH: Final = 50
PAUSE_S: Final = 0.01
CONNECT_TIMEOUT_S: Final = 20.0
FLOOD_TOPIC: Final = "rude"
FLOOD_BYTES: Final = 4096
FLOOD_FIRST: Final = 1000
FLOOD_A_SECOND: Final = 50
SMALL_BUFFER: Final = 4096
_TCP_ESTABLISHED: Final = 1

Tick = Callable[[], None]


def text(value: str) -> bytes:
    """A UTF-8 string with its length."""
    return struct.pack("!H", len(value)) + value.encode()


def connect_packet(client_id: str) -> bytes:
    """CONNECT of MQTT 3.1.1, clean, without a keep alive."""
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + text(client_id)
    return bytes((0x10, len(body))) + body


def publish_packet(topic: str, size: int) -> bytes:
    """QoS 0, between 128 and 16,383 bytes long."""
    body = text(topic) + b"." * size
    return bytes((0x30, len(body) & 0x7F | 0x80, len(body) >> 7)) + body


def receive(sock: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionError("the broker closed a connection that has done nothing wrong yet")
        data += more
    return data


class Rude:
    """All connections of one kind."""

    def __init__(self, port: int, count: int) -> None:
        self._address = ("127.0.0.1", port)
        self._count = count
        self.sockets: list[socket.socket] = []

    def idle(self) -> Tick:
        """Connected, and that's all."""
        self._connect_all()
        return _nothing

    def stopped(self) -> Tick:
        """Subscribers that never read what is sent to them, and the publisher that sends it."""
        self._connect_all()
        for sock in self.sockets:
            body = b"\x00\x01" + text(FLOOD_TOPIC) + b"\x00"
            sock.sendall(bytes((0x82, len(body))) + body)
        for sock in self.sockets:
            receive(sock, 5)
        publisher = self._open()
        publisher.sendall(connect_packet("rude-publisher"))
        receive(publisher, 4)
        message = publish_packet(FLOOD_TOPIC, FLOOD_BYTES)
        for _ in range(FLOOD_FIRST):
            publisher.sendall(message)
        publisher.sendall(b"\xc0\x00")
        receive(publisher, 2)  # PINGRESP: the broker has come so far
        return lambda: publisher.sendall(message * (FLOOD_A_SECOND // TICKS_A_SECOND))

    def loris(self) -> Tick:
        """Handshakes of one byte a second, each a few ticks after the one before."""
        self.half_open()
        packet = connect_packet("l" * 100)
        ticks = itertools.count()

        def tick() -> None:
            number = next(ticks)
            byte = packet[number // TICKS_A_SECOND : number // TICKS_A_SECOND + 1]
            for sock in self.sockets[number % TICKS_A_SECOND :: TICKS_A_SECOND]:
                try:
                    sock.send(byte)
                except OSError:
                    pass  # the broker has had enough of it: it counts as closed

        return tick

    def half_open(self) -> Tick:
        """Connections on which nothing is ever said."""
        for number in range(1, self._count + 1):
            self.sockets.append(self._open())
            if number % BATCH == 0:
                time.sleep(PAUSE_S)  # a full backlog drops a SYN, and it is sent again a second later
        return _nothing

    def still_open(self) -> int:
        """How many connections the broker has not closed, whatever lies unread in them."""
        states = (sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for sock in self.sockets)
        return sum(state == _TCP_ESTABLISHED for state in states)

    def _open(self) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(CONNECT_TIMEOUT_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(self._address)
        return sock

    def _connect_all(self) -> None:
        """With the whole handshake; a batch at a time, so that no round trip is waited for alone."""
        for first in range(0, self._count, BATCH):
            batch = [self._open() for _ in range(first, min(first + BATCH, self._count))]
            for number, sock in enumerate(batch, first):
                sock.sendall(connect_packet(f"rude-{number}"))
            for sock in batch:
                receive(sock, 4)
            self.sockets += batch


def _nothing() -> None:
    pass


KINDS: Final[dict[str, Callable[[Rude], Tick]]] = {
    "idle": Rude.idle,
    "stopped": Rude.stopped,
    "loris": Rude.loris,
    "half-open": Rude.half_open,
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = arguments.count + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, limit) if limit >= 0 else wanted, limit))
    rude = Rude(arguments.port, arguments.count)
    tick = KINDS[arguments.kind](rude)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 1 / TICKS_A_SECOND)[0]:
        tick()
    print(rude.still_open(), flush=True)


if __name__ == "__main__":
    main()
