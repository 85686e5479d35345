"""The node's own counters, read from $SYS, against what the load tool counted."""

from __future__ import annotations

import json
import socket
import struct
import time
from types import TracebackType
from typing import Self

from tests.bench.load_tool import Measured

TOPIC = "$SYS/brokers/1/metrics"
_TIMEOUT_S = 15.0


class Monitor:
    """A client that receives the metrics of node 1; its own traffic is counted as `system` by the node."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        self._buffer = b""
        self._socket.sendall(_packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + _text("bench-monitor")))
        self._expect(2)
        self._socket.sendall(_packet(0x82, b"\x00\x01" + _text(TOPIC) + b"\x00"))
        self._expect(9)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def fresh(self) -> dict[str, int]:
        """Counters that were published after this call."""
        self._socket.setblocking(False)
        try:
            while more := self._socket.recv(65536):
                self._buffer += more
        except BlockingIOError:
            pass
        self._socket.settimeout(_TIMEOUT_S)
        while self._complete():
            self._next()
        return self._metrics()

    def _metrics(self) -> dict[str, int]:
        while True:
            first, body = self._next()
            if first >> 4 != 3 or first & 1:  # a retained one is from before
                continue
            length = struct.unpack_from("!H", body)[0]
            found = json.loads(body[2 + length :])
            return {key: value for key, value in found.items() if isinstance(value, int)}

    def _expect(self, kind: int) -> None:
        while self._next()[0] >> 4 != kind:
            pass

    def _complete(self) -> bool:
        return _frame_end(self._buffer) is not None

    def _next(self) -> tuple[int, bytes]:
        while (found := _frame_end(self._buffer)) is None:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the node closed the monitor's connection")
            self._buffer += more
        body, end = found
        frame, self._buffer = self._buffer[:end], self._buffer[end:]
        return frame[0], frame[body:]


def _frame_end(data: bytes) -> tuple[int, int] | None:
    size = 0
    for at in range(1, min(5, len(data))):
        size |= (data[at] & 0x7F) << 7 * (at - 1)
        if data[at] < 0x80:
            end = at + 1 + size
            return (at + 1, end) if end <= len(data) else None
    return None


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first, len(body))) + body


def _text(value: str) -> bytes:
    return struct.pack("!H", len(value)) + value.encode()


def after_run(monitor: Monitor, before: dict[str, int], measured: Measured) -> dict[str, int]:
    """What the node counted since `before`, once it has noticed that the load's connections are gone."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        now = monitor.fresh()
        delta = {key: now[key] - before.get(key, 0) for key in now}
        if delta.get("client.disconnected", 0) >= measured["connected"] or time.monotonic() > deadline:
            return delta


def compare(delta: dict[str, int], measured: Measured, subscriptions: int) -> list[tuple[str, int, int]]:
    """(what, counted by the node, counted by the load tool) of everything both count."""
    totals = measured["totals"]
    expected = {
        "client.connected": measured["connected"],
        "session.subscribed": subscriptions,
        "messages.publish.custom": totals["sent"],
        "messages.delivered.custom": totals["received"],
        "messages.dropped": max(0, measured["lost"]),
        "packets.publish.received": totals["sent"],
        "packets.publish.sent": totals["received"] + delta.get("messages.delivered.system", 0),
    }
    for name in ("puback", "pubrec", "pubrel", "pubcomp"):
        expected[f"packets.{name}.sent"] = totals[f"{name}_received"]
        expected[f"packets.{name}.received"] = totals[f"{name}_sent"]
    return [(key, delta.get(key, -1), wanted) for key, wanted in expected.items()]
