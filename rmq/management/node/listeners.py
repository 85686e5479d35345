"""Listeners as administrators see them, and what is needed of whoever runs them: ``node``, which stands above."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rmq.management.errors import ListenerNotFound
from rmq.management.models import NodeRef

ListenerAction = Literal["start", "stop", "restart"]


@dataclass(frozen=True, slots=True)
class ListenerView:
    """One listener of a node.

    ``name`` is that of the configuration, kind first: ``tcp.external``. ``address`` is where it listens, a path for a
    Unix socket. ``connections`` are those that came through it and are there, with those before their CONNECT.
    """

    name: str
    address: str
    running: bool
    connections: int
    max_connections: int

    @property
    def kind(self) -> str:
        """``tcp``, ``tls``, ``ws``, ``wss`` or ``unix``."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class NodeListeners:
    """The listeners of one node."""

    node: NodeRef
    listeners: tuple[ListenerView, ...]


class ListenerControl(Protocol):
    """The listeners of this node; a name that isn't known raises ``errors.ListenerNotFound``.

    What is started or stopped so stays so until the node is started again.
    """

    def describe(self) -> Sequence[ListenerView]:
        """All of them, running or not."""

    async def change(self, name: str, action: ListenerAction) -> None:
        """Start, stop or restart one; ``errors.ListenerFailed`` when its address can't be had.

        Stopped, it accepts no more and its connections are closed. What runs already, or is stopped already, stays so.
        """


class NoListeners:
    """The stand-in of a node without sockets."""

    def describe(self) -> Sequence[ListenerView]:
        """There are none."""
        return ()

    async def change(self, name: str, action: ListenerAction) -> None:
        """There is none."""
        raise ListenerNotFound(name)
