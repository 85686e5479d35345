"""A socket and a poller that tests of the load loop hold in their hands."""

from __future__ import annotations

import itertools

_NUMBERS = itertools.count(1000)


class FakeSocket:
    """Gives what was put into `inbox`, one item a read; keeps what was sent; takes at most `room` bytes of a send."""

    def __init__(self) -> None:
        self.number = next(_NUMBERS)
        self.inbox: list[bytes] = []
        self.sent = b""
        self.room: int | None = None

    def fileno(self) -> int:
        """A number of its own."""
        return self.number

    def recv(self, _size: int, /) -> bytes:
        """The next item of the inbox."""
        return self.inbox.pop(0)

    def send(self, data: bytes, /) -> int:
        """Take what there is room for."""
        if self.room is None:
            taken = len(data)
        elif not self.room:
            raise BlockingIOError
        else:
            taken = min(self.room, len(data))
            self.room -= taken
        self.sent += data[:taken]
        return taken

    def take(self) -> bytes:
        """What was sent since the last look."""
        sent, self.sent = self.sent, b""
        return sent


class FakePoller:
    """Reports sockets that have something in their inbox, and the writable ones that were asked about."""

    def __init__(self, *sockets: FakeSocket) -> None:
        self.sockets = {socket.fileno(): socket for socket in sockets}
        self.wanted: dict[int, int] = {}

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        """Level-triggered, as epoll is."""
        found: list[tuple[int, int]] = []
        for fd, socket in self.sockets.items():
            writable = self.wanted.get(fd, 1) & 4 and socket.room != 0
            events = (1 if socket.inbox else 0) | (4 if writable else 0)
            if events:
                found.append((fd, events))
        return found[:maxevents]

    def modify(self, fd: int, eventmask: int) -> None:
        """Remember what is asked for."""
        self.wanted[fd] = eventmask
