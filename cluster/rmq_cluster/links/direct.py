"""Links over plain TCP without a task each: read when there is something, in a turn of the reactor.

A task that waits for a socket costs some 50 µs of processor time each time that it is woken, which is more than most
frames cost to handle.
"""

import select
import socket
from collections.abc import Callable

import trio


class DirectSockets:
    """An epoll of the sockets that are read; ``fd`` is ready when one of them is.

    Either a task of the links waits for that (``run``), or somebody else does, from ``drive_elsewhere`` until
    ``drive_here``, and calls ``read_in_turn``. ``in_turn``: it is being called.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.fd = self._epoll.fileno()
        self.in_turn = False
        self._readers: dict[int, Callable[[], None]] = {}
        self._is_here = trio.Event()
        self._is_here.set()
        self._waiting = trio.CancelScope()

    def watch(self, sock: socket.socket, on_readable: Callable[[], None]) -> None:
        """Have a socket read whenever there is something."""
        self._readers[sock.fileno()] = on_readable
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def forget(self, sock: socket.socket) -> None:
        """Read it no more."""
        if self._readers.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    def read(self) -> None:
        """Have all sockets read that are ready."""
        for fd, _ in self._epoll.poll(0):
            reader = self._readers.get(fd)
            if reader is not None:  # what one of them brought may have ended another
                reader()

    def read_in_turn(self) -> None:
        """The same, as a part of the reactor's turn: what comes of it is done and sent at the end of that."""
        self.in_turn = True
        try:
            self.read()
        finally:
            self.in_turn = False

    def drive_elsewhere(self) -> None:
        """Somebody else waits for ``fd`` from now on."""
        self._is_here = trio.Event()
        self._waiting.cancel()

    def drive_here(self) -> None:
        """``run`` does again."""
        self._is_here.set()

    async def run(self) -> None:
        """Read while nobody else does, until cancelled."""
        while True:
            await self._is_here.wait()
            with trio.CancelScope() as self._waiting:
                while self._is_here.is_set():
                    await trio.lowlevel.wait_readable(self.fd)
                    self.read()


def socket_of(stream: trio.abc.Stream) -> socket.socket | None:
    """A socket of its own for the same connection, non-blocking; None unless the stream is plain TCP.

    None too when there is no descriptor for it: a link with tasks is better than none.
    """
    if not isinstance(stream, trio.SocketStream):
        return None
    found = stream.socket
    try:
        sock = socket.fromfd(found.fileno(), found.family, found.type)
    except OSError:
        return None
    sock.setblocking(False)
    return sock
