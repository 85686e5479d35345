"""What the load loop needs of a socket and of an epoll, so that the compiled loop imports neither module."""

from __future__ import annotations

from typing import Protocol


class Socket(Protocol):
    """The part of a non-blocking socket.socket that is used."""

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes: ...

    def send(self, data: bytes, /) -> int: ...


class Poller(Protocol):
    """The part of select.epoll that is used."""

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]: ...

    def modify(self, fd: int, eventmask: int) -> None: ...
