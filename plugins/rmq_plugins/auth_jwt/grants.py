"""What is remembered of each client: the rules of its token, as long as it is connected."""

from typing import Final

from rmq.plugin_api import ClientInfo
from rmq_plugins.auth_jwt.claims import Grant

# Clients between CONNECT and CONNACK; one whose connection breaks in that moment is told to nobody.
MAX_CONNECTING: Final = 10_000


class Grants:
    """One for each connection with a token that has rules."""

    def __init__(self) -> None:
        self._connecting: dict[ClientInfo, Grant] = {}
        self._connected: dict[ClientInfo, Grant] = {}

    def __len__(self) -> int:
        return len(self._connected) + len(self._connecting)

    def give(self, client: ClientInfo, grant: Grant) -> None:
        """A client that connects has shown a token."""
        if len(self._connecting) >= MAX_CONNECTING:
            del self._connecting[next(iter(self._connecting))]
        self._connecting[client] = grant

    def connected(self, client: ClientInfo) -> None:
        """CONNACK said yes."""
        grant = self._connecting.pop(client, None)
        if grant is not None:
            self._connected[client] = grant

    def gone(self, client: ClientInfo) -> None:
        """The connection has ended."""
        self._connecting.pop(client, None)
        self._connected.pop(client, None)

    def find(self, client: ClientInfo) -> Grant | None:
        """What its token gave it; a will is asked about before CONNACK."""
        return self._connected.get(client) or self._connecting.get(client)
