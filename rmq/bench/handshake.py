"""Connects many clients, subscribes those that want it, with a bounded number of handshakes in flight."""

from __future__ import annotations

import os
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence

from rmq.bench import frames
from rmq.bench.batch import body_size, header_end

_CONNECT_REASONS = {
    1: "unacceptable protocol version", 2: "identifier rejected", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorized", 0x84: "unsupported protocol version",
    0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
    0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x97: "quota exceeded",
    0x9F: "connection rate exceeded",
}  # fmt: skip


class Candidate:
    """One client on its way: what it sends, what it got."""

    __slots__ = (
        "address", "buffer", "connack", "connect", "done", "early", "failure", "index", "publisher", "sock", "started",
        "subscribe",
    )  # fmt: skip

    def __init__(self, index: int, publisher: bool, address: tuple[str, int], connect: bytes, subscribe: bytes) -> None:
        self.index = index
        self.address = address
        self.publisher = publisher
        self.connect = connect
        self.subscribe = subscribe
        self.sock: socket.socket | None = None
        self.started = 0.0
        self.buffer = b""
        self.connack = b""
        self.early = b""
        self.done = False
        self.failure = ""


class Handshakes:
    """Drives the handshakes of all candidates to success or failure."""

    def __init__(self, candidates: Sequence[Candidate], version: int, in_flight: int, timeout_s: float) -> None:
        self._candidates = candidates
        self._version = version
        self._in_flight = in_flight
        self._timeout_s = timeout_s
        self._epoll = select.epoll()
        self._open: dict[int, Candidate] = {}
        self.connected = 0
        self.failures: Counter[str] = Counter()
        self.seconds = 0.0

    def run(self) -> None:
        """Return when every candidate is connected (and subscribed), refused, or out of time."""
        begin = looked = time.monotonic()
        waiting = iter(self._candidates)
        more = True
        while more or self._open:
            while more and len(self._open) < self._in_flight:
                candidate = next(waiting, None)
                if candidate is None:
                    more = False
                else:
                    self._start(candidate)
            if not self._open:
                continue
            for fd, events in self._epoll.poll(0.5, 256):
                self._on_ready(self._open[fd], events)
            now = time.monotonic()
            if now - looked > 0.5:
                looked = now
                self._expire(now)
        self.seconds = time.monotonic() - begin
        self._epoll.close()

    def _start(self, candidate: Candidate) -> None:
        candidate.started = time.monotonic()
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in candidate.address[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            self._fail(candidate, f"no socket: {error.strerror}")
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        candidate.sock = sock
        self._open[sock.fileno()] = candidate
        self._epoll.register(sock.fileno(), select.EPOLLOUT)
        try:
            sock.connect(candidate.address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(candidate, f"connect: {error.strerror}")

    def _on_ready(self, candidate: Candidate, events: int) -> None:
        sock = candidate.sock
        assert sock is not None
        try:
            if events & select.EPOLLOUT:
                failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if failed:
                    raise OSError(failed, os.strerror(failed))
                sock.send(candidate.connect)  # a first send this small always fits the socket's buffer
                self._epoll.modify(sock.fileno(), select.EPOLLIN)
                return
            data = sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(candidate, f"connect: {error.strerror}")
            return
        if not data:
            self._fail(candidate, "closed before " + ("SUBACK" if candidate.connack else "CONNACK"))
            return
        candidate.buffer += data
        self._advance(candidate, sock)

    def _advance(self, candidate: Candidate, sock: socket.socket) -> None:
        while True:
            packet = self._take(candidate)
            if packet is None:
                return
            if not candidate.connack:
                if packet[0] >> 4 != 2:
                    self._fail(candidate, f"packet type {packet[0] >> 4} instead of CONNACK")
                    return
                body = header_end(packet, 0)
                code = packet[body + 1]
                if code:
                    self._fail(candidate, f"refused: {_CONNECT_REASONS.get(code, 'reason code')} (0x{code:02x})")
                    return
                candidate.connack = packet
                if candidate.subscribe:
                    sock.send(candidate.subscribe)
                    continue
                self._succeed(candidate)
                return
            if packet[0] >> 4 == 9:
                if packet[-1] >= 0x80:
                    self._fail(candidate, f"subscription refused (0x{packet[-1]:02x})")
                    return
                candidate.buffer = candidate.early + candidate.buffer
                self._succeed(candidate)
                return
            if packet[0] >> 4 == 3:  # a message may come before its SUBACK: it belongs to the run
                candidate.early += packet

    @staticmethod
    def _take(candidate: Candidate) -> bytes | None:
        data = candidate.buffer
        if len(data) < 2:
            return None
        body = header_end(data, 0)
        if body < 0:
            return None
        after = body + body_size(data, 0, body)
        if after > len(data):
            return None
        candidate.buffer = data[after:]
        return data[:after]

    def _succeed(self, candidate: Candidate) -> None:
        candidate.done = True
        self.connected += 1
        self._forget(candidate)

    def _fail(self, candidate: Candidate, why: str) -> None:
        candidate.failure = why
        self.failures[why] += 1
        self._forget(candidate)
        if candidate.sock is not None:
            candidate.sock.close()
            candidate.sock = None

    def _forget(self, candidate: Candidate) -> None:
        if candidate.sock is not None and self._open.pop(candidate.sock.fileno(), None) is not None:
            self._epoll.unregister(candidate.sock.fileno())

    def _expire(self, now: float) -> None:
        for candidate in list(self._open.values()):
            if now - candidate.started > self._timeout_s:
                self._fail(candidate, f"no answer within {self._timeout_s:g} s")


def connack_limits(packet: bytes, version: int) -> tuple[int, int, int]:
    """Receive Maximum, Maximum QoS and Server Keep Alive of a CONNACK (defaults: 65535, 2, 0)."""
    receive_maximum, maximum_qos, keep_alive_s = 65535, 2, 0
    if version != frames.V5:
        return receive_maximum, maximum_qos, keep_alive_s
    at = header_end(packet, 0) + 2
    end = header_end(packet, at - 1)
    limit = end + body_size(packet, at - 1, end)
    at = end
    while at < limit:
        code, at = packet[at], at + 1
        if code == 0x21:
            receive_maximum = int.from_bytes(packet[at : at + 2], "big")
        elif code == 0x24:
            maximum_qos = packet[at]
        elif code == 0x13:
            keep_alive_s = int.from_bytes(packet[at : at + 2], "big")
        at = _skip_property(packet, code, at)
    return receive_maximum, maximum_qos, keep_alive_s


def _skip_property(packet: bytes, code: int, at: int) -> int:
    if code in (0x11, 0x27):
        return at + 4
    if code in (0x13, 0x21, 0x22):
        return at + 2
    if code in (0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F):
        return at + 2 + int.from_bytes(packet[at : at + 2], "big")
    if code == 0x26:
        at += 2 + int.from_bytes(packet[at : at + 2], "big")
        return at + 2 + int.from_bytes(packet[at : at + 2], "big")
    return at + 1
