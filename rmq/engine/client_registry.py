"""Which client id is connected here: client id to channel."""

from collections.abc import Iterator

from rmq.session.channel import Channel


class ClientRegistry:
    """The connected clients of this node; at most one channel a client id [MQTT-3.1.4-3]."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def __iter__(self) -> Iterator[Channel]:
        return iter(list(self._channels.values()))

    def get(self, client_id: str) -> Channel | None:
        """The live connection of a client id."""
        return self._channels.get(client_id)

    def bind(self, client_id: str, channel: Channel) -> None:
        """Enter a connection; the previous one was ended before."""
        self._channels[client_id] = channel

    def unbind(self, client_id: str, channel: Channel) -> None:
        """Take a connection out, if it is still the one that is entered."""
        if self._channels.get(client_id) is channel:
            del self._channels[client_id]
