"""What the engine needs from a cluster, or from its stand-in for a node alone (``solo``, ``journal_port``)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.storage.records import Operation

# What became of a command: it is committed, and applied on this node; it never will be; nobody knows.
APPLIED: Final = 1
REFUSED: Final = 2
UNKNOWN: Final = 3


class ClusterPort(ABC):
    """The node's side of the cluster.

    ``replicates``: what is proposed has to be agreed on with other nodes. ``is_leaving``: this node has told them that
    it stops. ``decides``: this node is the one that
    publishes wills and delayed messages when they are due, and ends what expires.
    """

    replicates = False
    is_leaving = False

    @property
    def decides(self) -> bool:
        """See above."""
        return True

    @abstractmethod
    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Have an operation kept and applied, after all that were proposed before it.

        True when it is applied already, False when that comes later: then the receipt is told.
        """

    @abstractmethod
    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        """Make this node the owner of a client id; ``claimed`` gets the epoch, higher than any before.

        May call back at once. Later claims win; whoever owned the client id has given it up by then. ``will`` is that
        of a connection whose session won't be kept. ``refused`` when nobody knows in time whether the claim stands.
        """

    @abstractmethod
    def release(self, client_id: str, epoch: int) -> None:
        """The connection that had claimed the client id is gone, and leaves no session that is kept."""

    def may_propose(self, level: int) -> bool:
        """Whether operations of this level may be proposed: every member of the cluster knows them."""
        return True

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


class Replicator(ABC):
    """What the port of a cluster's member needs from what is below it: the replicated log and the links."""

    @abstractmethod
    def submit(self, command: bytes, done: Callable[[int], None]) -> None:
        """Have a command committed; ``done`` gets one of the outcomes above, exactly once."""

    @abstractmethod
    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        """Send something to another node; False if that can't be."""


class Nowhere(Replicator):
    """Until there is something to replicate on."""

    def submit(self, command: bytes, done: Callable[[int], None]) -> None:
        """Nobody is there."""
        raise RuntimeError("the cluster isn't running")

    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        """Nobody is there."""
        return False
