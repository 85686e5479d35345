"""What the engine needs from a cluster, or from its stand-in for a node alone (``solo``)."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from rmq.mqtt.message import Message
from rmq.storage.records import Operation


class ClusterPort(ABC):
    """The node's side of the cluster."""

    @abstractmethod
    def propose(self, operation: Operation) -> bool:
        """Have an operation kept and applied. True when it is applied already, False when that comes later."""

    @abstractmethod
    def claim(self, client_id: str, claimed: Callable[[int], None]) -> None:
        """Make this node the owner of a client id; ``claimed`` gets the epoch, higher than any before.

        May call back at once. Later claims win; whoever owned the client id has given it up by then.
        """

    @abstractmethod
    def forward(self, message: Message) -> int:
        """Pass a message on to the nodes that have subscribers for it; returns how many nodes."""
