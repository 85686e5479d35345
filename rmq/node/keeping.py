"""What the engine offers to plugins that keep messages for clients that come later."""

from collections.abc import Callable, Sequence

from rmq.engine.broker import Broker
from rmq.engine.replays import begin_replay, waiting_messages
from rmq.plugin_api import Message, Subscription


class EngineKeeping:
    """``KeepingServices`` of ``rmq.plugin_api``."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def observe(self, told: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``told`` called with every message that is published here."""
        return self._broker.observe(told)

    def replay(
        self, client_id: str, key: str, messages: Sequence[Message], then: Callable[[], None]
    ) -> Callable[[], None] | None:
        """Give messages to a subscription of a client that is connected here."""
        return begin_replay(self._broker, client_id, key, messages, then)

    def subscriptions(self, client_id: str) -> Sequence[Subscription]:
        """Those of a session that is here."""
        channel = self._broker.registry.get(client_id)
        session = self._broker.state.sessions.get(client_id) if channel is None else channel.session
        if session is None or session.subscriptions is None:
            return ()
        return tuple(session.subscriptions.values())

    def is_kept(self, client_id: str) -> bool:
        """Whether there is a session that outlives its connection."""
        return client_id in self._broker.state.sessions

    def waiting(self, client_id: str) -> Sequence[Message]:
        """What a client hasn't acknowledged."""
        return waiting_messages(self._broker, client_id)

    def retained_at(self, topic: str) -> float | None:
        """When it was published."""
        ctx = self._broker.ctx
        message = ctx.retaining.get(topic) or ctx.retained.get(topic)
        return None if message is None else message.created_at

    def show_count(self, count: int) -> None:
        """Show it as a gauge."""
        self._broker.stats.message_storages.set(count)
