"""What reached a client while its subscription was being entered: nobody knows beforehand what does.

In a cluster a subscription is in force on each node at another moment, and a message of a kept session is queued a
moment after it was published. What was published in these moments is looked up here before it is given.
"""

from typing import Final

from rmq.plugin_api import ClientInfo, Handle, Message, PluginHost

# So many messages are remembered for a client: those of a second or two.
_MOST: Final = 20_000
# A SUBSCRIBE that was refused leaves its notes behind for so long.
_KEPT_S: Final = 15.0


class _Heard:
    __slots__ = ("asked", "begun_at", "counts", "users")

    def __init__(self, begun_at: float) -> None:
        self.begun_at = begun_at
        self.users = 0
        self.counts: dict[int, int] = {}
        self.asked: dict[str, int] = {}


class Fresh:
    """Hears of deliveries only while there is such a client."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._of: dict[str, _Heard] = {}
        self._handle: Handle | None = None

    def begin(self, client_id: str, key: str, position: int) -> None:
        """The client asks for a subscription; ``position`` is the last id before that."""
        heard = self._of.get(client_id)
        if heard is None:
            heard = self._of[client_id] = _Heard(self._host.now())
        else:
            heard.begun_at = self._host.now()
        heard.asked[key] = position
        if self._handle is None:
            self._handle = self._host.on("message_delivered", self._delivered)

    def asked_at(self, client_id: str, key: str) -> int | None:
        """The last id before a subscription was asked for; asking forgets it."""
        heard = self._of.get(client_id)
        return None if heard is None else heard.asked.pop(key, None)

    def use(self, client_id: str) -> None:
        """Somebody will look: keep it until ``end``."""
        if client_id in self._of:
            self._of[client_id].users += 1

    def had(self, client_id: str) -> "Had":
        """What has reached it, or waits for it."""
        heard = self._of.get(client_id)
        counts = {} if heard is None else dict(heard.counts)
        for message in self._host.keeping.waiting_for(client_id):
            key = _key(message)
            counts[key] = counts.get(key, 0) + 1
        return Had(counts)

    def end(self, client_id: str) -> None:
        """Nobody needs it any more."""
        heard = self._of.get(client_id)
        if heard is not None:
            heard.users -= 1
            if heard.users <= 0:
                del self._of[client_id]
        self._rest()

    def tidy(self) -> None:
        """Forget what nobody came for."""
        now = self._host.now()
        for client_id in [
            name for name, heard in self._of.items() if not heard.users and heard.begun_at + _KEPT_S < now
        ]:
            del self._of[client_id]
        self._rest()

    def _rest(self) -> None:
        if not self._of and self._handle is not None:
            self._host.off(self._handle)
            self._handle = None

    def _delivered(self, client: ClientInfo, message: Message) -> None:
        heard = self._of.get(client.client_id)
        if heard is not None and len(heard.counts) < _MOST:
            key = _key(message)
            heard.counts[key] = heard.counts.get(key, 0) + 1


class Had:
    """How often a client has had each message; equal ones are told apart by their number only."""

    def __init__(self, counts: dict[int, int]) -> None:
        self._counts = counts

    def take(self, message: Message) -> bool:
        """Whether the client has had this one; it is counted off."""
        key = _key(message)
        left = self._counts.get(key, 0)
        if not left:
            return False
        self._counts[key] = left - 1
        return True


def _key(message: Message) -> int:
    return hash((message.topic, message.publisher, message.payload))
