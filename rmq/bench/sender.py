"""What the load sends: messages with their time and packet ids, many at once, and what a full socket left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rmq.bench.peers import Counts, LoadError, Peer, describe

if TYPE_CHECKING:
    from rmq.bench.wire import Poller

EPOLLIN: Final = 1
EPOLLOUT: Final = 4
PACKET_IDS: Final = 65535
ID_RING: Final = b"".join(bytes((i >> 8, i & 255)) for i in range(1, PACKET_IDS + 1))
ID_HIGH: Final = ID_RING[0::2]
ID_LOW: Final = ID_RING[1::2]


class Sender:
    """Puts bytes into sockets and counts them."""

    __slots__ = ("counts", "epoll", "qos")

    def __init__(self, epoll: Poller, counts: Counts, qos: int) -> None:
        self.epoll = epoll
        self.counts = counts
        self.qos = qos

    def publish(self, peer: Peer, count: int, stamp_ns: int) -> None:
        """Send `count` messages at once; all carry the same time, or none when it is 0."""
        payload = peer.plain
        if stamp_ns and peer.stamp_head:
            payload = peer.stamp_head + stamp_ns.to_bytes(8, "big") + peer.tail
        if self.qos:
            first = peer.next_id - 1
            if count == 1:
                peer.next_id = 1 if first + 2 > PACKET_IDS else first + 2
                frames = peer.head + ID_RING[first + first : first + first + 2] + payload
            else:
                frames = self._frames_with_ids(peer, count, payload)
            peer.unacked += count
        else:
            frames = peer.head + payload
            if count > 1:
                frames = frames * count
        peer.outstanding += count
        self.counts.sent += count
        self.send(peer, frames)

    def _frames_with_ids(self, peer: Peer, count: int, payload: bytes) -> bytes:
        head = peer.head
        length = len(head) + 2 + len(payload)
        at = len(head)
        first = peer.next_id - 1
        frames = bytearray((head + b"\x00\x00" + payload) * count)
        if first + count <= PACKET_IDS:
            frames[at::length] = ID_HIGH[first : first + count]
            frames[at + 1 :: length] = ID_LOW[first : first + count]
        else:
            rest = first + count - PACKET_IDS
            frames[at::length] = ID_HIGH[first:] + ID_HIGH[:rest]
            frames[at + 1 :: length] = ID_LOW[first:] + ID_LOW[:rest]
        peer.next_id = (first + count) % PACKET_IDS + 1
        return bytes(frames)

    def send(self, peer: Peer, data: bytes) -> None:
        """Send now what the socket takes, the rest when it can."""
        if peer.out:
            peer.out += data
            return
        self.counts.sends += 1
        try:
            sent: int = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise LoadError(f"{describe(peer)}: {error}") from error
        self.counts.bytes_out += sent
        if sent < len(data):
            peer.out = data[sent:]
            peer.blocked = True
            self.epoll.modify(peer.fd, EPOLLIN | EPOLLOUT)

    def go_on(self, peer: Peer) -> bool:
        """The socket takes more; True when nothing is left to send."""
        data = peer.out
        peer.out = b""
        peer.blocked = False
        self.send(peer, data)
        if peer.blocked:
            return False
        self.epoll.modify(peer.fd, EPOLLIN)
        return True
