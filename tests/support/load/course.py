"""What all clients of a load go by: the nodes, whether anything fails just now, and what they have left behind."""

from __future__ import annotations

import threading
import time
from typing import Final

from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_processes import COME_LATER, ClusterProcesses
from tests.support.load.ledger import Ledger
from tests.support.wire_parser import Disconnect

LIMIT_S: Final = 20.0
"""How long what must come may take once nothing fails any more."""

GO_AWAY: Final = COME_LATER | {0x8B, 0x8E}
"""What a node may say at the end of a connection whose client is elsewhere: because of that, or for its own reasons."""


class Course:
    """What all clients go by: the nodes, and what is to be done."""

    def __init__(self, cluster: ClusterProcesses, ledger: Ledger) -> None:
        self.cluster = cluster
        self.ledger = ledger
        self.calm = threading.Event()
        """Nothing fails now: no connection to a sound node may end that its client hasn't ended."""
        self.out: frozenset[int] = frozenset()
        """The nodes that aren't among the sound ones while it is calm: they end what they still have."""
        self.stopping = threading.Event()
        """No new messages; what isn't answered is sent until it is."""
        self.draining = threading.Event()
        """Nothing is sent any more, and subscribers take all there is."""
        self.given_up = threading.Event()
        self.left: list[tuple[str, int, Client]] = []
        """Connections that were left open when their client went to another node: client id, node, connection."""
        self.lock = threading.Lock()
        self.calm.set()

    def is_calm_at(self, number: int) -> bool:
        """Whether nothing fails now at a node."""
        return self.calm.is_set() and number not in self.out

    def leave(self, client: Client, number: int) -> None:
        """A client goes to another node, and this connection is to be closed by the cluster."""
        with self.lock:
            self.left.append((client.client_id, number, client))

    def check_left(self) -> None:
        """Every connection that was left has been closed by its node: a client id has one owner."""
        with self.lock:
            left, self.left = self.left, []
        for name, number, client in left:
            try:
                self._check_closed(name, number, client)
            finally:
                client.close()

    def close(self) -> None:
        """Close what was left."""
        with self.lock:
            for _, _, client in self.left:
                client.close()
            self.left.clear()

    def _check_closed(self, name: str, number: int, client: Client) -> None:
        deadline = time.monotonic() + LIMIT_S
        try:
            while True:
                packet = client.receive(max(deadline - time.monotonic(), 0.01))
                if isinstance(packet, Disconnect) and packet.code not in GO_AWAY:
                    self.ledger.violation(f"{name}: its left connection at node {number} ended with {packet}")
        except ConnectionClosed:
            return
        except Silence:
            self.ledger.violation(f"{name}: two owners: its left connection at node {number} is still open")
