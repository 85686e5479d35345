"""An entry's client of this node."""

from typing import Final

from rmq.plugin_api import V5, Connack, Connect, MqttConnection, MqttFailedError, PluginHost, Subscribe
from rmq_plugins.bridges.link import deadline

FAILURE: Final = 0x80
# What may well be accepted another time: unspecified error, implementation specific error, quota exceeded.
LATER: Final = frozenset({0x80, 0x83, 0x97})
# How long the node may take to accept one of its own clients: its quorum may be busy.
LOCAL_TIMEOUT_S: Final = 20.0


class OwnClient:
    """``client_id`` connects with a window of ``receive_maximum`` messages, and at most ``max_queue`` wait for it.

    Its session is kept for ``keep_s`` seconds while it isn't connected, 0: it ends with the connection.
    """

    def __init__(self, host: PluginHost, client_id: str, keep_s: int, max_queue: int = 1) -> None:
        self.receive_maximum = 1
        self._host = host
        self._client_id = client_id
        self._keep_s = keep_s
        self._max_queue = max_queue

    async def connect(
        self, *, clean: bool, subscribe: Subscribe | None = None, even_if_kept: bool = False
    ) -> tuple[MqttConnection, Connack]:
        """Connect, and subscribe where the session is a new one, or in any case with ``even_if_kept``.

        Raises ``MqttFailedError`` and ``BridgeFailedError``.
        """
        connection = await self._host.connect(self._max_queue)
        try:
            with deadline(LOCAL_TIMEOUT_S, "this node takes too long"):
                packet = Connect(V5, self._client_id, clean, 0)
                packet.session_expiry_interval = self._keep_s
                packet.receive_maximum = self.receive_maximum
                connack = await connection.connect(packet)
                if subscribe is not None and (even_if_kept or not connack.session_present):
                    await have_subscribed(connection, subscribe)
        except BaseException:
            await connection.close()
            raise
        return connection, connack


async def have_subscribed(connection: MqttConnection, packet: Subscribe) -> None:
    """Subscribe, ``MqttFailedError`` if that is refused."""
    codes = await connection.subscribe(packet)
    if any(code >= FAILURE for code in codes):
        raise MqttFailedError(f"the subscription to {packet.requests[0].topic_filter} was refused", codes[0])
