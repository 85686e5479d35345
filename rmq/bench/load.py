"""The load loop: publishers keep their windows full, subscribers count and acknowledge, all in one epoll.

A delivery gives its publisher credit for the next message (so a window counts messages not yet received by the
subscriber, and for fan-out not yet received by all of them); in mode pub the broker's acknowledgements do. All events
of a wake-up are read first, then every publisher with credit gets one send with all the frames it may have out.

Latency is sampled. Of the sends of a publisher one in STAMP_EVERY carries its time (all do in an open loop, where it is
the time the messages were due); of each read one message is looked at, at a rotating place, and it counts with the
number of messages of the read. Every message is equally likely to be looked at, so the sample leans to no side.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rmq.bench.batch import (
    INCOMPLETE,
    ack_run,
    acks_for_acks,
    acks_for_publishes,
    body_size,
    header_end,
    learn,
    payload_start,
    publish_run,
)
from rmq.bench.latency import AckTimes, Latency
from rmq.bench.peers import NO_TIME, Counts, LoadError, Peer, describe
from rmq.bench.sender import EPOLLIN, EPOLLOUT, PACKET_IDS, Sender

if TYPE_CHECKING:
    from rmq.bench.wire import Poller

PUB: Final = 0  # publishers only; window counted to the broker's acknowledgement
SUB: Final = 1  # subscribers only
PAIR: Final = 2  # publisher i to subscriber i
FAN_IN: Final = 3  # many publishers to one subscriber
FAN_OUT: Final = 4  # one publisher to many subscribers

READ_SIZE: Final = 65536
MAX_EVENTS: Final = 1024
STAMP_MAGIC: Final = b"rmqb"
STAMP_SIZE: Final = 16
STAMP_EVERY: Final = 7
STAMP_ALL_OF: Final = 50  # the first sends of a publisher, so that short runs have samples too


class Load:
    """The clients of one run and the loop that drives them."""

    __slots__ = (
        "ack_times", "by_fd", "budget", "closing", "counts", "dirty", "due_ns", "epoll", "fan_turn", "goal",
        "inflight_limit", "interval_ns", "late_ns", "latency", "mode", "publishers", "qos", "rotor", "sender",
        "spins", "subscribers", "turn", "version", "window",
    )  # fmt: skip

    def __init__(
        self, mode: int, version: int, qos: int, window: int, epoll: Poller, publishers: list[Peer],
        subscribers: list[Peer],
    ) -> None:  # fmt: skip
        self.mode = mode
        self.version = version
        self.qos = qos
        self.window = window
        self.inflight_limit = PACKET_IDS
        self.epoll = epoll
        self.publishers = publishers
        self.subscribers = subscribers
        self.by_fd: list[Peer] = []
        for peer in publishers + subscribers:
            while len(self.by_fd) <= peer.fd:
                self.by_fd.append(peer)  # a filler, where a number belongs to no connection
            self.by_fd[peer.fd] = peer
        self.counts = Counts()
        self.sender = Sender(epoll, self.counts, qos)
        self.latency = Latency()
        self.ack_times: AckTimes | None = None  # of an open loop, when asked for
        self.dirty: list[Peer] = []
        self.budget = -1  # messages still to be sent; -1: no limit
        self.goal = 0  # messages to receive; 0: no limit
        self.interval_ns = 0.0  # between two messages of an open loop; 0: closed loop
        self.due_ns = 0.0
        self.spins = True  # of an open loop: whether it stays awake to be on time
        self.late_ns = 0  # how far the open loop was behind its schedule at worst
        self.turn = 0
        self.fan_turn = 0
        self.rotor = 0
        self.closing = False

    def start(self) -> None:
        """Let every publisher fill its window (closed loop), or begin the schedule (open loop)."""
        for peer in self.subscribers:
            if peer.rest:  # came with the SUBACK
                early = peer.rest
                peer.rest = b""
                self._delivered(peer, early)
        self.due_ns = float(time.monotonic_ns())
        if not self.interval_ns:
            for peer in self.publishers:
                self._mark(peer)

    def stop_publishing(self) -> None:
        """Send no further message; acknowledgements and deliveries go on."""
        self.closing = True

    def drained(self) -> bool:
        """Everything sent was received and every exchange is finished, on both sides."""
        expected = 0
        if self.mode == FAN_OUT:
            expected = self.counts.sent * len(self.subscribers)
        elif self.mode == PAIR or self.mode == FAN_IN:
            expected = self.counts.sent
        if self.counts.received < expected:
            return False
        if self.qos == 2 and self.subscribers and self.counts.acks_in[6] < self.counts.received:
            return False
        for peer in self.publishers:
            if peer.out or (self.qos and peer.unacked):
                return False
        return all(not peer.out for peer in self.subscribers)

    def reached_goal(self) -> bool:
        """As much was received as was asked for."""
        return self.goal > 0 and self.counts.received >= self.goal

    def run_until(self, deadline_ns: int) -> None:
        """Drive the load until the deadline, or until there is nothing left to send."""
        by_fd = self.by_fd
        while True:
            self._send_dirty()
            now = time.monotonic_ns()
            if now >= deadline_ns:
                return
            if self.closing and self.drained():
                return
            if (self.budget == 0 and self.drained()) or self.reached_goal():
                return
            wait = (deadline_ns - now) * 1e-9
            if self.interval_ns and not self.closing:
                wait = self._send_due(now)
            if self.dirty:
                wait = 0.0
            elif self.closing and wait > 0.01:
                wait = 0.01
            for fd, events in self.epoll.poll(wait, MAX_EVENTS):
                peer = by_fd[fd]
                if events != EPOLLIN and events & EPOLLOUT:
                    if self.sender.go_on(peer) and peer.publisher:
                        self._mark(peer)
                    if events == EPOLLOUT:
                        continue
                data = self._read(peer)
                if not data:
                    continue
                if peer.publisher:
                    self._acknowledged(peer, data)
                else:
                    self._delivered(peer, data)

    # reading

    def _read(self, peer: Peer) -> bytes:
        try:
            data = peer.sock.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LoadError(f"{describe(peer)}: {error}") from error
        if not data:
            raise LoadError(f"{describe(peer)} was closed by the broker")
        self.counts.reads += 1
        self.counts.bytes_in += len(data)
        if peer.rest:
            data = peer.rest + data
            peer.rest = b""
        return data

    def _delivered(self, peer: Peer, data: bytes) -> None:
        """Take what a subscriber received."""
        layout = peer.layout
        count = publish_run(layout, data)
        if not count and data[0] >> 4 == 3 and learn(layout, data, self.version):
            count = publish_run(layout, data)
        if not count:
            if self.qos == 2:
                acks = ack_run(data, 0x62)
                if acks:
                    self.counts.acks_in[6] += acks
                    self.counts.acks_out[7] += acks
                    self.sender.send(peer, acks_for_acks(0x70, data, acks))
                    return
            self._packet_by_packet(peer, data)
            return
        length = layout.frame_len
        end = count * length
        if end != len(data):
            peer.rest = data[end:]
        qos = layout.head[0] >> 1 & 3
        if qos == 1:
            self.counts.acks_out[4] += count
            self.sender.send(peer, acks_for_publishes(0x40, layout, data, count))
        elif qos == 2:
            self.counts.acks_out[5] += count
            self.sender.send(peer, acks_for_publishes(0x50, layout, data, count))
        self.counts.received += count
        stamp = layout.payload_at
        if stamp + STAMP_SIZE > length:
            return
        place = 0
        if count > 1:
            self.rotor += 1
            place = self.rotor % count * length
        self._sample(data, place + stamp, count)
        mode = self.mode
        if mode == PAIR:
            self._credit(self.publishers[peer.index], count)
        elif mode == FAN_OUT:
            self._credit_fan_out(count)
        elif mode == FAN_IN:
            publishers = self.publishers
            if len(publishers) <= 256:
                for low in data[stamp + 7 : end : length]:
                    self._credit(publishers[low], 1)
            else:
                for at in range(stamp + 4, end, length):
                    self._credit(publishers[int.from_bytes(data[at : at + 4], "big")], 1)

    def _acknowledged(self, peer: Peer, data: bytes) -> None:
        """Take what a publisher received: acknowledgements, of one kind in one read as a rule."""
        first = data[0]
        count = ack_run(data, first)
        if not count or first < 0x40 or first > 0x7F:
            self._packet_by_packet(peer, data)
            return
        kind = first >> 4
        self.counts.acks_in[kind] += count
        if self.ack_times is not None and kind < 6:
            self.ack_times.acknowledged(peer.fd, data, time.monotonic_ns())
        if kind == 5:
            self.counts.acks_out[6] += count
            self.sender.send(peer, acks_for_acks(0x62, data, count))
            return
        self._finished(peer, count)

    def _packet_by_packet(self, peer: Peer, data: bytes) -> None:
        """The general path: any packets in any order."""
        self.counts.general += 1
        at = 0
        size = len(data)
        out = b""
        while size - at >= 2:
            body = header_end(data, at)
            if body == INCOMPLETE:
                break
            if body < 0:
                raise LoadError(f"{describe(peer)} received a malformed remaining length")
            after = body + body_size(data, at, body)
            if after > size:
                break
            kind = data[at] >> 4
            if kind == 3:
                out += self._one_publish(peer, data[at:after], body - at)
            elif 4 <= kind <= 7:
                out += self._one_ack(peer, kind, data, body, after)
            elif kind == 14:
                reason = data[body] if after > body else 0
                raise LoadError(f"{describe(peer)} was disconnected by the broker, reason code 0x{reason:02x}")
            else:
                self.counts.other_in += 1
            at = after
        if at < size:
            peer.rest = data[at:]
        if out:
            self.sender.send(peer, out)

    def _one_publish(self, peer: Peer, frame: bytes, body: int) -> bytes:
        qos = frame[0] >> 1 & 3
        self.counts.received += 1
        payload = payload_start(frame, body, qos, self.version)
        if len(frame) - payload >= STAMP_SIZE:
            self._sample(frame, payload, 1)
            if self.mode == PAIR:
                self._credit(self.publishers[peer.index], 1)
            elif self.mode == FAN_OUT:
                self._credit_fan_out(1)
            elif self.mode == FAN_IN:
                index = int.from_bytes(frame[payload + 4 : payload + 8], "big")
                if index < len(self.publishers):
                    self._credit(self.publishers[index], 1)
        if not qos:
            return b""
        at = body + 2 + (frame[body] << 8 | frame[body + 1])
        self.counts.acks_out[3 + qos] += 1
        return bytes((0x30 + (qos << 4), 2, frame[at], frame[at + 1]))

    def _one_ack(self, peer: Peer, kind: int, data: bytes, body: int, after: int) -> bytes:
        self.counts.acks_in[kind] += 1
        refused = after - body > 2 and data[body + 2] >= 0x80
        if refused:
            self.counts.refused += 1
        if self.ack_times is not None and kind < 6:
            self.ack_times.acknowledged(peer.fd, b"\0\0" + data[body : body + 2], time.monotonic_ns())
        if kind == 6:
            self.counts.acks_out[7] += 1
            return bytes((0x70, 2, data[body], data[body + 1]))
        if kind == 5 and not refused:
            self.counts.acks_out[6] += 1
            return bytes((0x62, 2, data[body], data[body + 1]))
        if peer.publisher:
            self._finished(peer, 1)
        return b""

    def _sample(self, data: bytes, stamp: int, weight: int) -> None:
        told = data[stamp + 8 : stamp + 16]
        if told != NO_TIME and data[stamp : stamp + 4] == STAMP_MAGIC:
            then = int.from_bytes(told, "big")
            self.latency.add((time.monotonic_ns() - then) // 1000, weight)

    # credit

    def _mark(self, peer: Peer) -> None:
        if not peer.dirty:
            peer.dirty = True
            self.dirty.append(peer)

    def _credit(self, peer: Peer, count: int) -> None:
        peer.outstanding -= count
        if not peer.dirty:
            peer.dirty = True
            self.dirty.append(peer)

    def _credit_fan_out(self, count: int) -> None:
        self.fan_turn += count
        done = self.fan_turn // len(self.subscribers)
        if done:
            self.fan_turn -= done * len(self.subscribers)
            self._credit(self.publishers[0], done)

    def _finished(self, peer: Peer, count: int) -> None:
        """The broker is done with `count` messages of this publisher."""
        full = peer.unacked >= self.inflight_limit
        peer.unacked -= count
        if self.mode == PUB:
            self._credit(peer, count)
        elif full:
            self._mark(peer)

    # sending

    def _send_dirty(self) -> None:
        dirty = self.dirty
        if not dirty:
            return
        self.dirty = []
        for peer in dirty:
            peer.dirty = False
            if peer.blocked or self.interval_ns or self.closing:
                continue
            count = self.window - peer.outstanding
            if self.qos and count > self.inflight_limit - peer.unacked:
                count = self.inflight_limit - peer.unacked
            if self.budget >= 0:
                if count > self.budget:
                    count = self.budget
                self.budget -= count if count > 0 else 0
            if count > 0:
                peer.batches += 1
                stamped = peer.batches < STAMP_ALL_OF or peer.batches % STAMP_EVERY == 0
                self.sender.publish(peer, count, time.monotonic_ns() if stamped else 0)
                if self.mode == PUB and not self.qos:
                    peer.outstanding -= count  # nothing answers: the socket's own buffer is the window
                    self._mark(peer)

    def _send_due(self, now: int) -> float:
        """Send what an open loop's schedule has due; return how long to sleep until the next message."""
        if self.due_ns <= now:
            late = now - int(self.due_ns)
            if late > self.late_ns:
                self.late_ns = late
        while self.due_ns <= now and self.budget:
            peer = self.publishers[self.turn]
            if peer.blocked or (self.qos and peer.unacked >= self.inflight_limit):
                return 0.001  # the schedule waits for this publisher; the message keeps the time it was due at
            self.turn += 1
            if self.turn == len(self.publishers):
                self.turn = 0
            if self.budget > 0:
                self.budget -= 1
            if self.ack_times is not None:
                self.ack_times.sent(peer.fd, peer.next_id, int(self.due_ns))
            self.sender.publish(peer, 1, int(self.due_ns))
            self.due_ns += self.interval_ns
        wait = (self.due_ns - now) * 1e-9
        if wait > 0.0015:  # epoll sleeps whole milliseconds: below that the loop spins, or is late
            return wait
        return 0.0 if self.spins else 0.001
