"""The plugin: takes part where clients publish, subscribe and unsubscribe, as far as there are rules for it."""

from typing import Final

from rmq.plugin_api import (
    FROM_ADMIN,
    ClientInfo,
    Handle,
    Message,
    Plugin,
    PluginHost,
    SubscriptionRequest,
    is_valid_topic_name,
)
from rmq_plugins.topic_rewrite.config import TopicRewriteConfig
from rmq_plugins.topic_rewrite.rules import Rewriter

# Before plugins that look at topics: they are to see what is meant.
PRIORITY: Final = 100


class TopicRewritePlugin(Plugin[TopicRewriteConfig]):
    """Topics become others before access to them is checked; what is published through the API, too."""

    name = "rmq-topic-rewrite"
    descr = "Rewrites topics by rules"
    Config = TopicRewriteConfig

    def __init__(self, config: TopicRewriteConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._rewritten = {"publish": 0, "subscribe": 0}
        self._handles: list[Handle] = []
        self._take(config)

    def _take(self, config: TopicRewriteConfig) -> None:
        self.config = config
        self._publish = Rewriter([rule for rule in config.rules if rule.action != "subscribe"])
        self._subscribe = Rewriter([rule for rule in config.rules if rule.action != "publish"])

    async def start(self) -> None:
        """Take part where there are rules."""
        self._take_part()

    async def reload(self, config: TopicRewriteConfig) -> None:
        """Go over to other rules between two packets. Subscriptions that there are stay what they are."""
        self._take(config)
        before = self._handles
        self._take_part()
        for handle in before:
            self.host.off(handle)

    def _take_part(self) -> None:
        on = self.host.on
        self._handles = []
        if self._publish:
            self._handles.append(on("client_publish", self._client_publish, PRIORITY))
            self._handles.append(on("message_publish", self._message_publish, PRIORITY))
        if self._subscribe:
            self._handles.append(on("client_subscribe", self._client_subscribe, PRIORITY))
            self._handles.append(on("client_unsubscribe", self._client_unsubscribe, PRIORITY))

    def attrs(self) -> dict[str, object]:
        """How many rules there are, and how many topics became others: of PUBLISHes, and of subscriptions."""
        return {"rules": len(self.config.rules), "rewritten": dict(self._rewritten)}

    def _client_publish(self, client: ClientInfo, topic: str) -> str:
        renamed = self._publish.rewritten(client, topic)
        if renamed != topic:
            self._rewritten["publish"] += 1
        return renamed

    def _message_publish(self, client: ClientInfo | None, message: Message) -> Message:
        # Of all messages that no client sends, those of the API: wills were renamed when the client connected.
        if client is not None or message.origin != FROM_ADMIN:
            return message
        publisher = ClientInfo(self.host.node_id, message.publisher, None, 0, "", 0, "", 0)
        renamed = self._publish.rewritten(publisher, message.topic)
        if renamed == message.topic or not is_valid_topic_name(renamed) or renamed.startswith("$delayed/"):
            return message
        self._rewritten["publish"] += 1
        return Message(
            renamed,
            message.payload,
            message.qos,
            message.retain,
            message.publisher,
            message.properties,
            message.expires_at,
            message.created_at,
            message.origin,
        )

    def _client_subscribe(self, client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest:
        renamed = self._subscribe.rewritten(client, request.topic_filter)
        if renamed == request.topic_filter:
            return request
        self._rewritten["subscribe"] += 1
        return SubscriptionRequest(
            renamed, request.qos, request.no_local, request.retain_as_published, request.retain_handling
        )

    def _client_unsubscribe(self, client: ClientInfo, topic_filter: str) -> str:
        return self._subscribe.rewritten(client, topic_filter)
