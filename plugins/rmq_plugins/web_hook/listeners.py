"""Hears what happens and makes events of it, as far as somebody wants them."""

from collections.abc import Callable
from typing import Final

from rmq.plugin_api import FROM_SYSTEM, ClientInfo, Connect, Message, PluginHost, Subscription, SubscriptionRequest
from rmq_plugins.web_hook.config import Event
from rmq_plugins.web_hook.events import (
    ACCEPTED,
    Body,
    KnownClients,
    connection,
    content,
    millis,
    options,
    publisher,
    reason,
    user_properties,
    who,
    who_by_id,
)

# After everybody else: what is told is what the other plugins have left. But that a client connects is told before
# another plugin ends the chain by refusing it.
PRIORITY: Final = -1000
CONNECT_PRIORITY: Final = 1_000_000

# What takes an event: its name, its topic or None, whether that is a topic filter, and its keys.
Tell = Callable[[Event, str | None, bool, Body], None]


class Listeners:
    """Handlers of hook points. ``wanted`` says whether an event goes anywhere, as the configuration is just now."""

    def __init__(self, host: PluginHost, wanted: Callable[[Event], bool], tell: Tell) -> None:
        self._host = host
        self._wanted = wanted
        self._tell = tell
        self._known = KnownClients()
        self._with_new_session: ClientInfo | None = None

    def handlers(self) -> dict[Event, Callable[..., object]]:
        """The handler of each event; hook points have the same names."""
        return {
            "session_created": self._session_created,
            "session_terminated": self._session_terminated,
            "session_subscribed": self._session_subscribed,
            "session_unsubscribed": self._session_unsubscribed,
            "client_connect": self._client_connect,
            "client_connack": self._client_connack,
            "client_connected": self._client_connected,
            "client_disconnected": self._client_disconnected,
            "client_subscribe": self._client_subscribe,
            "client_unsubscribe": self._client_unsubscribe,
            "message_publish": self._message_publish,
            "message_delivered": self._message_delivered,
            "message_acked": self._message_acked,
            "message_dropped": self._message_dropped,
            "offline_message": self._offline_message,
        }

    def _session_created(self, client: ClientInfo) -> None:
        self._with_new_session = client
        if self._wanted("session_created"):
            self._tell("session_created", None, False, who(client) | {"created_at": millis(client.connected_at)})

    def _session_terminated(self, client_id: str, reason_code: int) -> None:
        if self._wanted("session_terminated"):
            body = who_by_id(self._host.node_id, client_id, self._known.get(client_id))
            self._tell("session_terminated", None, False, body | {"reason": reason(reason_code)})

    def _session_subscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        body = who(client) | {"topic": subscription.key, "opts": options(client, subscription)}
        self._tell("session_subscribed", subscription.key, True, body)

    def _session_unsubscribed(self, client: ClientInfo, subscription: Subscription) -> None:
        self._tell("session_unsubscribed", subscription.key, True, who(client) | {"topic": subscription.key})

    def _client_connect(self, client: ClientInfo, connect: Connect) -> None:
        self._tell("client_connect", None, False, connection(client, connect.keepalive, connect.clean_start))

    def _client_connack(self, client: ClientInfo, reason_code: int) -> None:
        said = reason(reason_code) if reason_code else ACCEPTED
        body = connection(client, client.keepalive, client.clean_start) | {"conn_ack": said}
        self._tell("client_connack", None, False, body)

    def _client_connected(self, client: ClientInfo) -> None:
        # session_created of the same connection comes right before, in the same turn.
        present = self._with_new_session is not client
        self._with_new_session = None
        self._known.connected(client)
        if self._wanted("client_connected"):
            body = connection(client, client.keepalive, client.clean_start)
            body |= {"connected_at": millis(client.connected_at), "session_present": present}
            self._tell("client_connected", None, False, body | user_properties(client))

    def _client_disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        self._known.disconnected(client)
        if self._wanted("client_disconnected"):
            body = who(client) | {"disconnected_at": millis(self._host.now()), "reason": text}
            self._tell("client_disconnected", None, False, body)

    def _client_subscribe(self, client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest:
        body = who(client) | {"topic": request.topic_filter, "opts": options(client, request)}
        self._tell("client_subscribe", request.topic_filter, True, body)
        return request

    def _client_unsubscribe(self, client: ClientInfo, topic_filter: str) -> str:
        self._tell("client_unsubscribe", topic_filter, True, who(client) | {"topic": topic_filter})
        return topic_filter

    def _message_publish(self, client: ClientInfo | None, message: Message) -> Message:
        body = publisher(self._host.node_id, message, client) | content(message)
        self._tell("message_publish", message.topic, False, body | {"ts": millis(message.created_at)})
        return message

    def _message_delivered(self, client: ClientInfo, message: Message) -> None:
        self._tell_of_message("message_delivered", message, who(client))

    def _message_acked(self, client: ClientInfo, message: Message) -> None:
        self._tell_of_message("message_acked", message, who(client))

    def _message_dropped(self, client: ClientInfo | None, message: Message, why: str) -> None:
        self._tell_of_message("message_dropped", message, ({} if client is None else who(client)) | {"reason": why})

    def _offline_message(self, client_id: str, message: Message) -> None:
        known = self._known.get(client_id)
        self._tell_of_message("offline_message", message, who_by_id(self._host.node_id, client_id, known))

    def _tell_of_message(self, event: Event, message: Message, receiver: Body) -> None:
        if message.origin == FROM_SYSTEM:
            return  # as RMQTT: the broker's own figures are nobody's news
        body = publisher(self._host.node_id, message, self._known.get(message.publisher)) | receiver | content(message)
        body |= {"pts": millis(message.created_at), "ts": millis(self._host.now())}
        self._tell(event, message.topic, False, body)
