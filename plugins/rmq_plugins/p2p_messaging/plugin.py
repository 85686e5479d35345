"""The plugin: says of each message on such a topic whom it is for; the engine delivers it and answers its publisher."""

from typing import Final

from rmq.plugin_api import (
    DENY,
    FROM_WILL,
    TOPIC_NAME_INVALID,
    AddressedMessage,
    AuthResult,
    ClientInfo,
    Connect,
    Message,
    Plugin,
    PluginHost,
)
from rmq_plugins.p2p_messaging.config import P2pMessagingConfig
from rmq_plugins.p2p_messaging.topics import addressee

# Behind all others: a handler that makes another message of one would make it one for everybody.
PRIORITY: Final = -1_000_000


class P2pMessagingPlugin(Plugin[P2pMessagingConfig]):
    """A client gets what is for it whatever it is subscribed to, and nobody else does."""

    name = "rmq-p2p-messaging"
    descr = "Messages for one client, by topics that name it"
    Config = P2pMessagingConfig

    def __init__(self, config: P2pMessagingConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._addressed = 0

    async def start(self) -> None:
        """Look at every message, and at wills when clients connect."""
        self.host.on("message_publish", self._message_publish, PRIORITY)
        self.host.on("client_connect", self._client_connect, PRIORITY)

    async def reload(self, config: P2pMessagingConfig) -> None:
        """From the next message on."""
        self.config = config

    def attrs(self) -> dict[str, object]:
        """How many messages were for one client, whether it was there or not."""
        return {"mode": self.config.mode, "addressed": self._addressed}

    def _message_publish(self, client: ClientInfo | None, message: Message) -> Message:
        found = addressee(message.topic, self.config.mode)
        if found is None or message.origin == FROM_WILL:
            return message
        self._addressed += 1
        client_id, topic = found
        return AddressedMessage(message, topic, client_id)

    def _client_connect(self, client: ClientInfo, connect: Connect) -> AuthResult | None:
        # Several nodes may publish a will that is due, and one of them counts: whom it is for isn't part of that.
        if connect.will is None or addressee(connect.will.topic, self.config.mode) is None:
            return None
        return AuthResult(DENY, False, TOPIC_NAME_INVALID, "a will can't be for one client")
