"""The one list of hook points: what each tells or asks a handler, and whether the handler may wait."""

from typing import Final

from rmq.hooks.verdicts import AuthResult
from rmq.mqtt.message import Message
from rmq.mqtt.packets import SubscriptionRequest

# Kinds of points.
NOTIFY: Final = "notify"  # every handler is told; what it returns is ignored
FILTER: Final = "filter"  # the last argument goes from handler to handler; None ends it
DECIDE: Final = "decide"  # the first handler that has an opinion decides


class HookPoint:
    """One hook point.

    ``arguments`` are what a handler is called with. ``answer`` is the type of what it returns (None for notify; an
    int is a verdict). ``may_wait``: an ``async def`` is welcome. ``denies_on_error``: a handler that fails denies,
    unless it was registered with ``deny_on_error=False``.
    """

    __slots__ = ("answer", "arguments", "denies_on_error", "description", "kind", "may_wait", "name")

    def __init__(
        self,
        name: str,
        kind: str,
        arguments: tuple[str, ...],
        answer: type | None,
        description: str,
        may_wait: bool = True,
        denies_on_error: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.arguments = arguments
        self.answer = answer
        self.description = description
        self.may_wait = may_wait
        self.denies_on_error = denies_on_error


_ALL: Final = (
    HookPoint("before_startup", NOTIFY, (), None, "The node is about to open its listeners; it waits for this."),
    HookPoint("session_created", NOTIFY, ("client",), None, "A new session exists (none was resumed)."),
    HookPoint("session_terminated", NOTIFY, ("client_id", "reason_code"), None, "A session ended for good."),
    HookPoint("session_subscribed", NOTIFY, ("client", "subscription"), None, "A subscription is in force."),
    HookPoint("session_unsubscribed", NOTIFY, ("client", "subscription"), None, "A subscription was removed."),
    HookPoint(
        "client_connect",
        DECIDE,
        ("client", "connect"),
        AuthResult,
        "A valid CONNECT came. A denial refuses the connection before anybody is asked who the client is.",
    ),
    HookPoint("client_connack", NOTIFY, ("client", "reason_code"), None, "CONNACK is on its way, good or bad."),
    HookPoint(
        "client_authenticate",
        DECIDE,
        ("request",),
        AuthResult,
        "Is the client who it says? Without an opinion the listener's allow_anonymous decides.",
        denies_on_error=True,
    ),
    HookPoint(
        "client_enhanced_auth",
        DECIDE,
        ("request",),
        AuthResult,
        "One step of an AUTH exchange (MQTT 5, 4.12); LATER with auth_data asks the client for another step.",
        denies_on_error=True,
    ),
    HookPoint(
        "client_connect_check_acl",
        DECIDE,
        ("client",),
        int,
        "May the client connect, now that it is known who it is? Asked after every way of authentication.",
        denies_on_error=True,
    ),
    HookPoint("client_connected", NOTIFY, ("client",), None, "A client is connected and its session bound."),
    HookPoint(
        "client_disconnected", NOTIFY, ("client", "reason_code", "text"), None, "The connection of a client ended."
    ),
    HookPoint(
        "client_subscribe",
        FILTER,
        ("client", "request"),
        SubscriptionRequest,
        "One topic filter of a SUBSCRIBE, before its access check; None refuses it.",
    ),
    HookPoint(
        "client_unsubscribe",
        FILTER,
        ("client", "topic_filter"),
        str,
        "One topic filter of an UNSUBSCRIBE; None refuses it.",
    ),
    HookPoint(
        "client_subscribe_check_acl",
        DECIDE,
        ("client", "topic_filter", "qos"),
        int,
        "May the client subscribe with this filter (with its $share/… prefix)? Not asked for superusers.",
        denies_on_error=True,
    ),
    HookPoint(
        "client_publish",
        FILTER,
        ("client", "topic"),
        str,
        "The topic name of a PUBLISH or a will, before every check of it; None refuses it.",
        may_wait=False,
    ),
    HookPoint("client_keepalive", NOTIFY, ("client",), None, "A PINGREQ came."),
    HookPoint(
        "message_publish_check_acl",
        DECIDE,
        ("client", "topic", "qos", "retain"),
        int,
        "May the client publish this? The answer is kept for the connection. Not asked for superusers.",
        denies_on_error=True,
    ),
    HookPoint(
        "message_publish",
        FILTER,
        ("client", "message"),
        Message,
        "A message before it is routed (client is None for wills, the API and the node); None drops it.",
    ),
    HookPoint("message_delivered", NOTIFY, ("client", "message"), None, "A message went to a subscriber."),
    HookPoint("message_acked", NOTIFY, ("client", "message"), None, "A subscriber acknowledged a message."),
    HookPoint(
        "message_dropped",
        NOTIFY,
        ("client", "message", "reason"),
        None,
        "A message was dropped, for one client or for all (None).",
    ),
    HookPoint(
        "message_expiry_check",
        DECIDE,
        ("client", "message"),
        int,
        "Has the message expired? ALLOW delivers it, DENY drops it, UNDECIDED leaves it to its expiry interval.",
        may_wait=False,
    ),
    HookPoint("message_nonsubscribed", NOTIFY, ("message",), None, "A message matched no subscription."),
    HookPoint(
        "offline_message", NOTIFY, ("client_id", "message"), None, "A message was queued for a client that is away."
    ),
    HookPoint(
        "offline_inflight_messages",
        NOTIFY,
        ("client_id", "messages"),
        None,
        "A connection ended with these messages sent and not acknowledged.",
    ),
    HookPoint(
        "cluster_message_received", NOTIFY, ("node_id", "kind", "body"), None, "A plugin's message from another node."
    ),
)

POINTS: Final[dict[str, HookPoint]] = {point.name: point for point in _ALL}
