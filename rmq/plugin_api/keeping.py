"""For plugins that keep messages for clients that come later: what is published, and giving it to one subscription."""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from rmq.mqtt.message import Message
from rmq.session.subscription import Subscription


class KeepingServices(Protocol):
    """What a node offers for it; ``Keeping`` says what each call means."""

    def observe(self, told: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``told`` called with every message that is published here."""

    def replay(
        self, client_id: str, key: str, messages: Sequence[Message], then: Callable[[], None]
    ) -> Callable[[], None] | None:
        """Give messages to a subscription; ``then`` when it has them. Answers what ends it; None: there is none."""

    def subscriptions(self, client_id: str) -> Sequence[Subscription]:
        """Those of a client's session on this node."""

    def is_kept(self, client_id: str) -> bool:
        """Whether a client has a session that outlives its connection."""

    def waiting(self, client_id: str) -> Sequence[Message]:
        """Messages of QoS 1 and 2 that a client hasn't acknowledged."""

    def retained_at(self, topic: str) -> float | None:
        """When the retained message of a topic was published."""

    def show_count(self, count: int) -> None:
        """Show how many messages are kept."""


class Keeping:
    """``PluginHost.keeping``. All calls belong to the node's one trio thread."""

    def __init__(self, services: KeepingServices) -> None:
        self._services = services

    def observe(self, told: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``told`` called with every message that is published at this node, whoever published it.

        Answers what ends that. It is called on the way of every message, before it is routed, and has less than a
        microsecond: put the message aside. A moment later its payload may be on disk, and ``payload`` empty.
        """
        return self._services.observe(told)

    async def replay(self, client_id: str, key: str, messages: Sequence[Message]) -> bool:
        """Give messages to one subscription (``Subscription.key``) of a client that is connected here.

        They are sent as if it had matched them now: the lower QoS of both, its identifier, No Local and Retain As
        Published, the rest of their time to live. Returns when all have been sent or are in the session's queue, as
        fast as the client takes them; False when it isn't connected, or not subscribed, any more. It doesn't return by
        itself when that ends meanwhile: cancel it then.
        """
        handed = trio.Event()
        end = self._services.replay(client_id, key, messages, handed.set)
        if end is None:
            return False
        try:
            if not handed.is_set():
                await handed.wait()
        finally:
            if not handed.is_set():
                end()
        return True

    def subscriptions_of(self, client_id: str) -> Sequence[Subscription]:
        """The subscriptions of a client's session, as far as it is on this node."""
        return self._services.subscriptions(client_id)

    def is_kept(self, client_id: str) -> bool:
        """Whether a client has a session that outlives its connection."""
        return self._services.is_kept(client_id)

    def waiting_for(self, client_id: str) -> Sequence[Message]:
        """The messages of QoS 1 and 2 on their way to a client: those it hasn't acknowledged."""
        return self._services.waiting(client_id)

    def retained_at(self, topic: str) -> float | None:
        """When the retained message of a topic was published (``Message.created_at``); None without one."""
        return self._services.retained_at(topic)

    def show_count(self, count: int) -> None:
        """Show how many messages are kept, in the node's gauge of that (``message_storages``)."""
        self._services.show_count(count)
