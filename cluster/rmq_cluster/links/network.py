"""Streams as links need them: the interface, which tcp implements, and a simulation too."""

from collections.abc import Sequence
from typing import Protocol

import trio


class Network(Protocol):
    """How nodes reach each other. ``OSError`` says why something can't be reached, or not be listened on."""

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a host now, at least one. Raises ``OSError``."""

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        """A connection to an address that ``host`` was resolved to. Raises ``OSError``, or ``trio.BrokenResourceError``
        when it was opened and what comes before its first byte failed (TLS).
        """

    async def listen(self, host: str, port: int) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Listeners on a host; port 0 is any free one. Raises ``OSError``."""

    def port_of(self, listener: trio.abc.Listener[trio.abc.Stream]) -> int:
        """The port that this listener is really on."""

    def remote_host(self, stream: trio.abc.Stream) -> str:
        """Where an accepted connection comes from: an address without a port, for logs."""
