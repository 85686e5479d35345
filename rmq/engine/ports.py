"""What the engine needs from a cluster, or from its stand-in for a node alone (``solo``)."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.storage.records import Operation


class ClusterPort(ABC):
    """The node's side of the cluster."""

    @abstractmethod
    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Have an operation kept and applied, after all that were proposed before it.

        True when it is applied already, False when that comes later: then the receipt is told.
        """

    @abstractmethod
    def claim(self, client_id: str, claimed: Callable[[int], None]) -> None:
        """Make this node the owner of a client id; ``claimed`` gets the epoch, higher than any before.

        May call back at once. Later claims win; whoever owned the client id has given it up by then.
        """

    @property
    def disk_bytes(self) -> int:
        """What the data takes on this node's disk."""
        return 0

    def read_payloads(self, messages: list[Message], then: Callable[[], None]) -> None:
        """Read payloads back that are on disk only; ``then`` is called when they are in memory."""
        raise RuntimeError("nothing is on disk")

    def read_payload(self, message: Message) -> None:
        """Read one payload back at once: for rare cases that can't wait."""
        raise RuntimeError("nothing is on disk")

    @abstractmethod
    def forward(self, message: Message) -> int:
        """Pass a message on to the nodes that have subscribers for it; returns how many nodes."""
