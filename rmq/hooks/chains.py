"""The ready chains of handlers, one a hook point, and the functions that run them in place.

The callers test first, so that a point without handlers costs one attribute test::

    if chains.message_publish.handlers: ...

Handlers here are already guarded by ``registry``: they never raise and always answer with the right type. A chain that
``waits`` holds an asynchronous handler: the ACL functions answer LATER for it, at the other points the caller looks at
``waits``; ``async_runner`` then runs the whole chain. Notify chains never wait (but before_startup, which is awaited).
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from rmq.hooks.verdicts import LATER, UNDECIDED, AuthRequest, AuthResult, EnhancedAuthRequest
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription

# The signatures, in the order of points.py, where each is described.
BeforeStartup = Callable[[], object]
SessionCreated = Callable[[ClientInfo], object]
SessionTerminated = Callable[[str, int], object]
SessionSubscribed = Callable[[ClientInfo, Subscription], object]
SessionUnsubscribed = Callable[[ClientInfo, Subscription], object]
ClientConnect = Callable[[ClientInfo, Connect], "AuthResult | None"]
ClientConnack = Callable[[ClientInfo, int], object]
ClientAuthenticate = Callable[[AuthRequest], "AuthResult | None"]
ClientEnhancedAuth = Callable[[EnhancedAuthRequest], "AuthResult | None"]
ClientConnectCheckAcl = Callable[[ClientInfo], int]
ClientConnected = Callable[[ClientInfo], object]
ClientDisconnected = Callable[[ClientInfo, int, str], object]
ClientSubscribe = Callable[[ClientInfo, SubscriptionRequest], "SubscriptionRequest | None"]
ClientUnsubscribe = Callable[[ClientInfo, str], "str | None"]
ClientPublish = Callable[[ClientInfo, str], "str | None"]
ClientSubscribeCheckAcl = Callable[[ClientInfo, str, int], int]
ClientKeepalive = Callable[[ClientInfo], object]
MessagePublishCheckAcl = Callable[[ClientInfo, str, int, bool], int]
MessagePublish = Callable[["ClientInfo | None", Message], "Message | None"]
MessageDelivered = Callable[[ClientInfo, Message], object]
MessageAcked = Callable[[ClientInfo, Message], object]
MessageDropped = Callable[["ClientInfo | None", Message, str], object]
MessageExpiryCheck = Callable[[ClientInfo, Message], int]
MessageNonsubscribed = Callable[[Message], object]
OfflineMessage = Callable[[str, Message], object]
OfflineInflightMessages = Callable[[str, "list[Message]"], object]
ClusterMessageReceived = Callable[[int, str, object], object]

Handler = TypeVar("Handler")


class Chain(Generic[Handler]):
    """The guarded handlers of one point, highest priority first. ``registry`` replaces the list, never changes it."""

    __slots__ = ("handlers", "waits")

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self.waits: bool = False


class HookChains:
    """One chain a hook point; a node has one of these."""

    __slots__ = (
        "before_startup",
        "client_authenticate",
        "client_connack",
        "client_connect",
        "client_connect_check_acl",
        "client_connected",
        "client_disconnected",
        "client_enhanced_auth",
        "client_keepalive",
        "client_publish",
        "client_subscribe",
        "client_subscribe_check_acl",
        "client_unsubscribe",
        "cluster_message_received",
        "message_acked",
        "message_delivered",
        "message_dropped",
        "message_expiry_check",
        "message_nonsubscribed",
        "message_publish",
        "message_publish_check_acl",
        "offline_inflight_messages",
        "offline_message",
        "session_created",
        "session_subscribed",
        "session_terminated",
        "session_unsubscribed",
    )

    def __init__(self) -> None:
        self.before_startup: Chain[BeforeStartup] = Chain()
        self.session_created: Chain[SessionCreated] = Chain()
        self.session_terminated: Chain[SessionTerminated] = Chain()
        self.session_subscribed: Chain[SessionSubscribed] = Chain()
        self.session_unsubscribed: Chain[SessionUnsubscribed] = Chain()
        self.client_connect: Chain[ClientConnect] = Chain()
        self.client_connack: Chain[ClientConnack] = Chain()
        self.client_authenticate: Chain[ClientAuthenticate] = Chain()
        self.client_enhanced_auth: Chain[ClientEnhancedAuth] = Chain()
        self.client_connect_check_acl: Chain[ClientConnectCheckAcl] = Chain()
        self.client_connected: Chain[ClientConnected] = Chain()
        self.client_disconnected: Chain[ClientDisconnected] = Chain()
        self.client_subscribe: Chain[ClientSubscribe] = Chain()
        self.client_unsubscribe: Chain[ClientUnsubscribe] = Chain()
        self.client_subscribe_check_acl: Chain[ClientSubscribeCheckAcl] = Chain()
        self.client_publish: Chain[ClientPublish] = Chain()
        self.client_keepalive: Chain[ClientKeepalive] = Chain()
        self.message_publish_check_acl: Chain[MessagePublishCheckAcl] = Chain()
        self.message_publish: Chain[MessagePublish] = Chain()
        self.message_delivered: Chain[MessageDelivered] = Chain()
        self.message_acked: Chain[MessageAcked] = Chain()
        self.message_dropped: Chain[MessageDropped] = Chain()
        self.message_expiry_check: Chain[MessageExpiryCheck] = Chain()
        self.message_nonsubscribed: Chain[MessageNonsubscribed] = Chain()
        self.offline_message: Chain[OfflineMessage] = Chain()
        self.offline_inflight_messages: Chain[OfflineInflightMessages] = Chain()
        self.cluster_message_received: Chain[ClusterMessageReceived] = Chain()


# --- decide: the first answer that isn't UNDECIDED (None) wins ---


def message_publish_check_acl(chains: HookChains, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
    """The verdict on publishing to ``topic``; LATER when it must be awaited."""
    chain = chains.message_publish_check_acl
    if chain.waits:
        return LATER
    for handler in chain.handlers:
        verdict = handler(client, topic, qos, retain)
        if verdict != UNDECIDED:
            return verdict
    return UNDECIDED


def client_subscribe_check_acl(chains: HookChains, client: ClientInfo, topic_filter: str, qos: int) -> int:
    """The verdict on subscribing with ``topic_filter`` (as the client wrote it); LATER when it must be awaited."""
    chain = chains.client_subscribe_check_acl
    if chain.waits:
        return LATER
    for handler in chain.handlers:
        verdict = handler(client, topic_filter, qos)
        if verdict != UNDECIDED:
            return verdict
    return UNDECIDED


def client_connect_check_acl(chains: HookChains, client: ClientInfo) -> int:
    """The verdict on connecting as whoever the client turned out to be; LATER when it must be awaited."""
    chain = chains.client_connect_check_acl
    if chain.waits:
        return LATER
    for handler in chain.handlers:
        verdict = handler(client)
        if verdict != UNDECIDED:
            return verdict
    return UNDECIDED


def message_expiry_check(chains: HookChains, client: ClientInfo, message: Message) -> int:
    """ALLOW: deliver it although it may have expired; DENY: it has expired; UNDECIDED: the broker's own rule."""
    for handler in chains.message_expiry_check.handlers:
        verdict = handler(client, message)
        if verdict != UNDECIDED:
            return verdict
    return UNDECIDED


def client_connect(chains: HookChains, client: ClientInfo, connect: Connect) -> AuthResult | None:
    """What the handlers say about a CONNECT; only for a chain that doesn't wait."""
    for handler in chains.client_connect.handlers:
        result = handler(client, connect)
        if result is not None:
            return result
    return None


def client_authenticate(chains: HookChains, request: AuthRequest) -> AuthResult | None:
    """Whether the client is who it says, None when no handler knows; only for a chain that doesn't wait."""
    for handler in chains.client_authenticate.handlers:
        result = handler(request)
        if result is not None:
            return result
    return None


def client_enhanced_auth(chains: HookChains, request: EnhancedAuthRequest) -> AuthResult | None:
    """One step of an AUTH exchange, None when no handler knows the method; only for a chain that doesn't wait."""
    for handler in chains.client_enhanced_auth.handlers:
        result = handler(request)
        if result is not None:
            return result
    return None


# --- filter: the value goes from handler to handler, None ends it; only for chains that don't wait ---


def message_publish(chains: HookChains, client: ClientInfo | None, message: Message) -> Message | None:
    """The message as the handlers leave it, None when one of them dropped it."""
    current: Message | None = message
    for handler in chains.message_publish.handlers:
        if current is None:
            break
        current = handler(client, current)
    return current


def client_subscribe(
    chains: HookChains, client: ClientInfo, request: SubscriptionRequest
) -> SubscriptionRequest | None:
    """The subscription as the handlers leave it, None when one of them refused it."""
    current: SubscriptionRequest | None = request
    for handler in chains.client_subscribe.handlers:
        if current is None:
            break
        current = handler(client, current)
    return current


def client_unsubscribe(chains: HookChains, client: ClientInfo, topic_filter: str) -> str | None:
    """The filter to unsubscribe from as the handlers leave it, None when one of them refused."""
    current: str | None = topic_filter
    for handler in chains.client_unsubscribe.handlers:
        if current is None:
            break
        current = handler(client, current)
    return current


def client_publish(chains: HookChains, client: ClientInfo, topic: str) -> str | None:
    """The topic name that is meant as the handlers leave it, None when one of them refused it."""
    current: str | None = topic
    for handler in chains.client_publish.handlers:
        if current is None:
            break
        current = handler(client, current)
    return current


# --- notify: every handler is told ---


def session_created(chains: HookChains, client: ClientInfo) -> None:
    """A session was created for this client."""
    for handler in chains.session_created.handlers:
        handler(client)


def session_terminated(chains: HookChains, client_id: str, reason_code: int) -> None:
    """A session ended for good."""
    for handler in chains.session_terminated.handlers:
        handler(client_id, reason_code)


def session_subscribed(chains: HookChains, client: ClientInfo, subscription: Subscription) -> None:
    """A subscription is in force."""
    for handler in chains.session_subscribed.handlers:
        handler(client, subscription)


def session_unsubscribed(chains: HookChains, client: ClientInfo, subscription: Subscription) -> None:
    """A subscription was removed."""
    for handler in chains.session_unsubscribed.handlers:
        handler(client, subscription)


def client_connack(chains: HookChains, client: ClientInfo, reason_code: int) -> None:
    """A CONNACK is on its way."""
    for handler in chains.client_connack.handlers:
        handler(client, reason_code)


def client_connected(chains: HookChains, client: ClientInfo) -> None:
    """A client is connected and its session bound."""
    for handler in chains.client_connected.handlers:
        handler(client)


def client_disconnected(chains: HookChains, client: ClientInfo, reason_code: int, text: str) -> None:
    """A connected client's connection ended."""
    for handler in chains.client_disconnected.handlers:
        handler(client, reason_code, text)


def client_keepalive(chains: HookChains, client: ClientInfo) -> None:
    """A PINGREQ came."""
    for handler in chains.client_keepalive.handlers:
        handler(client)


def message_delivered(chains: HookChains, client: ClientInfo, message: Message) -> None:
    """A message was put into a client's out-buffer."""
    for handler in chains.message_delivered.handlers:
        handler(client, message)


def message_acked(chains: HookChains, client: ClientInfo, message: Message) -> None:
    """A subscriber acknowledged a message (PUBACK or PUBCOMP)."""
    for handler in chains.message_acked.handlers:
        handler(client, message)


def message_dropped(chains: HookChains, client: ClientInfo | None, message: Message, reason: str) -> None:
    """A message was dropped for one client, or for all (None)."""
    for handler in chains.message_dropped.handlers:
        handler(client, message, reason)


def message_nonsubscribed(chains: HookChains, message: Message) -> None:
    """A message matched no subscription."""
    for handler in chains.message_nonsubscribed.handlers:
        handler(message)


def offline_message(chains: HookChains, client_id: str, message: Message) -> None:
    """A message was queued for a session without a connection."""
    for handler in chains.offline_message.handlers:
        handler(client_id, message)


def offline_inflight_messages(chains: HookChains, client_id: str, messages: list[Message]) -> None:
    """A connection ended with these messages sent but not acknowledged."""
    for handler in chains.offline_inflight_messages.handlers:
        handler(client_id, messages)


def cluster_message_received(chains: HookChains, node_id: int, kind: str, body: object) -> None:
    """A plugin's message came from another node."""
    for handler in chains.cluster_message_received.handlers:
        handler(node_id, kind, body)
