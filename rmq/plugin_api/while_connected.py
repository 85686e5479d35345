"""What a plugin keeps for each client from its authentication until its connection ends."""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from rmq.session.client_info import ClientInfo

# Clients between CONNECT and CONNACK; one whose connection breaks in that moment is told to nobody.
MAX_CONNECTING: Final = 10_000

T = TypeVar("T")


class KeptWhileConnected(Generic[T]):
    """One value for each connection. ``answered`` and ``disconnected`` are handlers, or its plugin tells the others."""

    def __init__(self) -> None:
        self._connecting: dict[ClientInfo, T] = {}
        self._connected: dict[ClientInfo, T] = {}

    def __len__(self) -> int:
        return len(self._connected) + len(self._connecting)

    def __iter__(self) -> Iterator[T]:
        yield from self._connected.values()
        yield from self._connecting.values()

    def give(self, client: ClientInfo, value: T) -> None:
        """Keep this for a client, in place of what was kept for it."""
        if client.connected_at:
            self._connected[client] = value
            return
        if client not in self._connecting and len(self._connecting) >= MAX_CONNECTING:
            del self._connecting[next(iter(self._connecting))]
        self._connecting[client] = value

    def connected(self, client: ClientInfo) -> None:
        """CONNACK said yes."""
        value = self._connecting.pop(client, None)
        if value is not None:
            self._connected[client] = value

    def gone(self, client: ClientInfo) -> None:
        """The connection has ended, or was refused."""
        self._connecting.pop(client, None)
        self._connected.pop(client, None)

    def answered(self, client: ClientInfo, reason_code: int) -> None:
        """The handler for ``client_connack``."""
        if reason_code == 0:
            self.connected(client)
        else:
            self.gone(client)

    def disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        """The handler for ``client_disconnected``."""
        self.gone(client)

    def find(self, client: ClientInfo) -> T | None:
        """What is kept for a client; a will is asked about before CONNACK."""
        found = self._connected.get(client)
        return found if found is not None else self._connecting.get(client)
