"""Histograms of latencies, of deliveries and of acknowledgements.

Microseconds are exact up to 65 ms, then in steps of 64 µs up to 4 s.
"""

from __future__ import annotations

from typing import Final

_FINE: Final = 65536
_COARSE: Final = 65536


class Latency:
    """Counts of messages by latency; one sample may stand for several messages of one read (its weight)."""

    __slots__ = ("coarse", "count", "fine", "max_us", "min_us", "samples", "total_us")

    def __init__(self) -> None:
        self.fine: list[int] = [0] * _FINE
        self.coarse: list[int] = [0] * _COARSE
        self.count = 0
        self.samples = 0
        self.total_us = 0
        self.max_us = 0
        self.min_us = -1

    def add(self, us: int, weight: int) -> None:
        """Count `weight` messages with a latency of `us` microseconds."""
        if us < 0:
            us = 0
        if us < _FINE:
            self.fine[us] += weight
        else:
            slot = us >> 6
            if slot >= _COARSE:
                slot = _COARSE - 1
            self.coarse[slot] += weight
        self.count += weight
        self.samples += 1
        self.total_us += us * weight
        if us > self.max_us:
            self.max_us = us
        if self.min_us < 0 or us < self.min_us:
            self.min_us = us

    def percentile(self, share: float) -> int:
        """The latency in µs that `share` (0 to 1) of the messages do not exceed; 0 when nothing was counted."""
        wanted = share * self.count
        seen = 0
        for us in range(_FINE):
            seen += self.fine[us]
            if seen >= wanted and seen:
                return us
        for slot in range(_COARSE):
            seen += self.coarse[slot]
            if seen >= wanted and seen:
                return slot << 6
        return self.max_us

    def mean_us(self) -> float:
        """The mean latency in µs; 0 when nothing was counted."""
        return self.total_us / self.count if self.count else 0.0


class AckTimes:
    """How long messages wait for their PUBACK or PUBREC, from the time they were due."""

    __slots__ = ("due", "latency")

    def __init__(self) -> None:
        self.due: dict[int, int] = {}
        self.latency = Latency()

    def sent(self, fd: int, packet_id: int, due_ns: int) -> None:
        """The publisher on this socket sends a message that was due then."""
        self.due[fd << 16 | packet_id] = due_ns

    def acknowledged(self, fd: int, acks: bytes, now_ns: int) -> None:
        """4-byte acknowledgements came for the publisher on this socket."""
        for at in range(2, len(acks), 4):
            due = self.due.pop(fd << 16 | acks[at] << 8 | acks[at + 1], 0)
            if due:
                self.latency.add((now_ns - due) // 1000, 1)
