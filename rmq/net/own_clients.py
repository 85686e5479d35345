"""The door for the node's own clients, such as bridges: MQTT over pairs of sockets that never leave the process."""

import socket
from typing import TYPE_CHECKING, Final

from rmq.mqtt.message import FROM_BRIDGE
from rmq.net.listener import Listener, ListenerOptions
from rmq.session.limits import Limits

if TYPE_CHECKING:
    from rmq.net.reactor import Reactor

NAME: Final = "internal.own"
# What any listener has let in comes through here too [MQTT 5.0, 2.1.4].
MAX_PACKET_SIZE: Final = 268_435_460
MAX_WINDOW: Final = 65_535


class OwnClients(Listener):
    """A listener without an address: who may call ``connect`` is a part of the node.

    Its clients are asked neither who they are nor what they may; their client ids begin with ``$rmq/``.
    """

    def __init__(self, ack_policy: int) -> None:
        options = ListenerOptions("", 0)
        options.path = NAME
        super().__init__(options, Limits(NAME))
        self._ack_policy = ack_policy
        self._at: Reactor | None = None

    def start(self, reactor: "Reactor") -> None:
        """Take clients from now on."""
        self._at = self._reactor = reactor

    def close(self) -> None:
        """Take no more; connections stay."""
        self._at = None

    def connect(self, max_queue: int) -> socket.socket:
        """A connection, on which the node waits for CONNECT; raises ``OSError`` while it takes none.

        ``max_queue`` is how many messages wait for the session at most; when they are too many the newest is dropped.
        """
        if self._at is None:
            raise ConnectionRefusedError("the node stops")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._admit(self._at, ours, self._limits_of(max_queue))
        return theirs

    def _limits_of(self, max_queue: int) -> Limits:
        limits = Limits(NAME)
        limits.ack_policy = self._ack_policy
        limits.drop_newest = True
        limits.max_inflight = MAX_WINDOW
        limits.max_mqueue_len = max_queue
        limits.max_outbound_topic_aliases = 0
        limits.max_packet_size = MAX_PACKET_SIZE
        limits.origin = FROM_BRIDGE
        limits.receive_maximum = MAX_WINDOW
        limits.trusted = True
        return limits
