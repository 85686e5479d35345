"""What is known of the last connection of sessions that have none: where it came from, when and why it ended."""

from dataclasses import dataclass
from typing import Final

from rmq.engine.broker import Broker
from rmq.hooks.registry import HookRegistry
from rmq.session.client_info import ClientInfo

# Under this name the handlers stand in the registry of hooks.
NAME: Final = "rmq-management"


@dataclass(frozen=True, slots=True)
class LastConnection:
    """A connection that ended: who it was, when it ended (seconds since 1970) and for what reason."""

    info: ClientInfo
    ended_at: float
    reason: str


class LastConnections:
    """The ends of connections, each kept as long as its session: as many as there are sessions, at most.

    It listens at the hook points as a plugin would, so the engine needn't know of it.
    """

    def __init__(self, broker: Broker, hooks: HookRegistry) -> None:
        self._broker = broker
        self._ended: dict[str, LastConnection] = {}
        hooks.register("client_disconnected", self._on_disconnected, NAME)
        hooks.register("session_terminated", self._on_terminated, NAME)

    def __len__(self) -> int:
        return len(self._ended)

    def get(self, client_id: str) -> LastConnection | None:
        """The last connection of a session without one, None if it isn't known."""
        return self._ended.get(client_id)

    def _on_disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        self._ended[client.client_id] = LastConnection(client, self._broker.ctx.now, text)

    def _on_terminated(self, client_id: str, reason_code: int) -> None:
        self._ended.pop(client_id, None)
