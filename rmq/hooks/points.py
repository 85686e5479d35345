"""The one list of hook points: what each is called, what kind it is, whether its handlers may wait.

The signatures are in ``chains``. Kinds: *notify* handlers are told, *filter* handlers pass a value on (None ends it),
*decide* handlers are asked until one has an opinion.
"""

from typing import Final


class Point:
    """One hook point. ``answers_int``: its handlers answer a verdict; ``guards_access``: an error is a denial."""

    def __init__(
        self,
        name: str,
        kind: str,
        help_text: str,
        *,
        may_wait: bool = False,
        answers_int: bool = False,
        guards_access: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.help_text = help_text
        self.may_wait = may_wait
        self.answers_int = answers_int
        self.guards_access = guards_access


_ALL: Final = [
    Point("before_startup", "notify", "The node is built; listeners don't accept yet.", may_wait=True),
    Point("session_created", "notify", "A session was created.", may_wait=True),
    Point("session_terminated", "notify", "A session ended for good.", may_wait=True),
    Point("session_subscribed", "notify", "A subscription is in force.", may_wait=True),
    Point("session_unsubscribed", "notify", "A subscription was removed.", may_wait=True),
    Point("client_connect", "decide", "A CONNECT came and is well-formed; it may be refused.", may_wait=True),
    Point("client_connack", "notify", "A CONNACK is on its way.", may_wait=True),
    Point("client_authenticate", "decide", "Who is this client?", may_wait=True, guards_access=True),
    Point("client_enhanced_auth", "decide", "One step of an AUTH exchange.", may_wait=True, guards_access=True),
    Point("client_connected", "notify", "A client is connected and its session bound.", may_wait=True),
    Point("client_disconnected", "notify", "A connected client's connection ended.", may_wait=True),
    Point("client_subscribe", "filter", "A topic filter of a SUBSCRIBE, before it is checked.", may_wait=True),
    Point("client_unsubscribe", "filter", "A topic filter of an UNSUBSCRIBE.", may_wait=True),
    Point(
        "client_subscribe_check_acl",
        "decide",
        "May this client subscribe with this topic filter?",
        may_wait=True,
        answers_int=True,
        guards_access=True,
    ),
    Point("client_keepalive", "notify", "A PINGREQ came."),
    Point(
        "message_publish_check_acl",
        "decide",
        "May this client publish to this topic? The answer is cached for the connection.",
        may_wait=True,
        answers_int=True,
        guards_access=True,
    ),
    Point("message_publish", "filter", "A message that passed all checks, before it is routed.", may_wait=True),
    Point("message_delivered", "notify", "A message was put into a client's out-buffer."),
    Point("message_acked", "notify", "A subscriber acknowledged a message."),
    Point("message_dropped", "notify", "A message was dropped, for one client or for all, and why."),
    Point("message_expiry_check", "decide", "Has this queued message expired?", answers_int=True),
    Point("message_nonsubscribed", "notify", "A message matched no subscription."),
    Point("offline_message", "notify", "A message was queued for a session without a connection."),
    Point("offline_inflight_messages", "notify", "A connection ended with messages sent but not acknowledged."),
    Point("cluster_message_received", "notify", "A plugin's message came from another node.", may_wait=True),
]

POINTS: Final[dict[str, Point]] = {point.name: point for point in _ALL}
