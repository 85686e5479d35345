"""What is known of the last connection of sessions that have none: where it came from, when and why it ended."""

from dataclasses import dataclass
from typing import Final

from rmq.engine.broker import Broker
from rmq.hooks.registry import HookRegistry
from rmq.session.client_info import ClientInfo
from rmq.session.session import Session

# Under this name the handlers stand in the registry of hooks.
NAME: Final = "rmq-management"
# So many entries may stand beyond those of the sessions there are before they are looked through.
_SLACK: Final = 1000


@dataclass(frozen=True, slots=True)
class LastConnection:
    """A connection that ended: who it was, when it ended (seconds since 1970) and for what reason.

    ``epoch`` is the session's at that time: with another one there was a connection since, on another node.
    """

    info: ClientInfo
    ended_at: float
    reason: str
    epoch: int


class LastConnections:
    """The ends of connections, each kept as long as its session: as many as there are sessions, and a few more.

    It listens at the hook points as a plugin would, so the engine needn't know of it.
    """

    def __init__(self, broker: Broker, hooks: HookRegistry) -> None:
        self._broker = broker
        self._ended: dict[str, LastConnection] = {}
        hooks.register("client_disconnected", self._on_disconnected, NAME)
        hooks.register("session_terminated", self._on_terminated, NAME)

    def __len__(self) -> int:
        return len(self._ended)

    def get(self, session: Session) -> LastConnection | None:
        """The last connection of a session without one, None if it isn't known."""
        last = self._ended.get(session.client_id)
        return last if last is not None and last.epoch == session.epoch else None

    def _on_disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        session = self._broker.state.sessions.get(client.client_id)
        if session is not None and session.remote:
            # The client is, or was since, on another node, which knows more.
            self._ended.pop(client.client_id, None)
            return
        epoch = 0 if session is None else session.epoch
        self._ended[client.client_id] = LastConnection(client, self._broker.ctx.now, text, epoch)
        if len(self._ended) > len(self._broker.state.sessions) + _SLACK:
            self._drop_ended()

    def _on_terminated(self, client_id: str, reason_code: int) -> None:
        self._ended.pop(client_id, None)

    def _drop_ended(self) -> None:
        """Forget those whose sessions ended on another node, of which nobody tells here.

        It leaves ``_SLACK`` entries less than make it necessary again, so it costs little on the average.
        """
        sessions = self._broker.state.sessions
        self._ended = {client_id: last for client_id, last in self._ended.items() if client_id in sessions}
