"""The one table of stats and metrics: what each is called, where it is counted, how nodes are added up, what it means.

Names are RMQTT's where it has one; further dialects get a column of their own. Metrics are counters: they grow from
zero at the node's start and are summed over nodes. Stats are gauges with a count and a max.
"""

from typing import Final

from rmq.metrics.counters import Counters
from rmq.metrics.gauges import Gauge, Stats

# How the values of several nodes become one: added up, or taken once because every node holds the same.
SUM: Final = "sum"
ONCE: Final = "once"


class Metric:
    """One counter: its RMQTT name, the attribute of ``Counters``, and what it counts."""

    def __init__(self, name: str, attribute: str, help_text: str) -> None:
        self.name = name
        self.attribute = attribute
        self.help_text = help_text


class Stat:
    """One gauge: its RMQTT name (``.count`` and ``.max`` follow), the attribute of ``Stats``, the rule for sums."""

    def __init__(self, name: str, attribute: str, merge: str, help_text: str) -> None:
        self.name = name
        self.attribute = attribute
        self.merge = merge
        self.help_text = help_text


METRICS: Final[list[Metric]] = [
    # Bytes on the wire.
    Metric("bytes.received", "bytes_received", "Bytes read from clients"),
    Metric("bytes.sent", "bytes_sent", "Bytes written to clients"),
    # Clients: connecting, authenticating, ending.
    Metric("client.authenticate", "client_authenticate", "CONNECTs that were authenticated, anonymous ones too"),
    Metric("client.auth.anonymous", "client_auth_anonymous", "Clients accepted without a user name"),
    Metric(
        "client.auth.anonymous.error",
        "client_auth_anonymous_error",
        "Clients without a user name that were refused",
    ),
    Metric("client.handshaking.timeout", "client_handshaking_timeout", "Connections whose handshake took too long"),
    Metric("client.connect", "client_connect", "CONNECT packets received"),
    Metric("client.connack", "client_connack", "CONNACK packets sent"),
    Metric("client.connack.auth.error", "client_connack_auth_error", "CONNACKs that refused for lack of authorization"),
    Metric(
        "client.connack.unavailable.error",
        "client_connack_unavailable_error",
        "CONNACKs that refused because the server is unavailable or full",
    ),
    Metric("client.connack.error", "client_connack_error", "CONNACKs with any error"),
    Metric("client.connected", "client_connected", "Clients connected"),
    Metric("client.disconnected", "client_disconnected", "Connected clients whose connection ended"),
    Metric("client.subscribe.check.acl", "client_subscribe_check_acl", "Access checks of topic filters"),
    Metric(
        "client.publish.check.acl",
        "client_publish_check_acl",
        "Access checks of topic names; verdicts from the cache don't count",
    ),
    Metric("client.subscribe", "client_subscribe", "Topic filters subscribed"),
    Metric("client.unsubscribe", "client_unsubscribe", "Topic filters in UNSUBSCRIBE packets"),
    Metric("client.subscribe.error", "client_subscribe_error", "Topic filters refused for any reason"),
    Metric("client.subscribe.auth.error", "client_subscribe_auth_error", "Topic filters refused by an access check"),
    Metric("client.publish.auth.error", "client_publish_auth_error", "PUBLISH packets refused by an access check"),
    Metric("client.publish.error", "client_publish_error", "PUBLISH packets refused for any reason"),
    Metric(
        "client.publish.duplicate",
        "client_publish_duplicate",
        "QoS 2 PUBLISH packets received again before their PUBREL",
    ),
    # Sessions.
    Metric("session.subscribed", "session_subscribed", "Subscriptions made"),
    Metric("session.unsubscribed", "session_unsubscribed", "Subscriptions removed"),
    Metric("subscriptions.revoked", "subscriptions_revoked", "Subscriptions ended because access rules have changed"),
    Metric("session.created", "session_created", "Sessions created"),
    Metric("session.resumed", "session_resumed", "Sessions resumed"),
    Metric("session.terminated", "session_terminated", "Sessions ended for good"),
    Metric("session.expired", "session_expired", "Sessions ended by their expiry interval"),
    Metric("storage.batches", "storage_batches", "Batches of operations written to the journal"),
    Metric("storage.errors", "storage_errors", "Disk calls that failed"),
    Metric("storage.snapshots", "storage_snapshots", "Snapshots taken"),
    Metric("session.takeovers", "takeovers", "Connections closed because another one took their session over"),
    # Messages published, by where they come from.
    Metric("messages.publish", "messages_publish", "Messages published"),
    Metric("messages.publish.custom", "messages_publish_custom", "Messages published by MQTT clients"),
    Metric("messages.publish.admin", "messages_publish_admin", "Messages published through the management API"),
    Metric("messages.publish.lastwill", "messages_publish_lastwill", "Will messages published"),
    Metric("messages.publish.system", "messages_publish_system", "Messages published by the broker itself ($SYS)"),
    Metric("messages.publish.bridge", "messages_publish_bridge", "Messages published by bridges"),
    # Messages delivered: put into a subscriber's out-buffer.
    Metric("messages.delivered", "messages_delivered", "Messages delivered"),
    Metric("messages.delivered.custom", "messages_delivered_custom", "Messages of MQTT clients delivered"),
    Metric("messages.delivered.admin", "messages_delivered_admin", "Messages of the management API delivered"),
    Metric("messages.delivered.lastwill", "messages_delivered_lastwill", "Will messages delivered"),
    Metric(
        "messages.delivered.retain",
        "messages_delivered_retain",
        "Retained messages delivered to new subscriptions",
    ),
    Metric("messages.delivered.system", "messages_delivered_system", "Messages of the broker itself delivered"),
    Metric("messages.delivered.bridge", "messages_delivered_bridge", "Messages of bridges delivered"),
    Metric("messages.redelivered", "messages_redelivered", "Messages sent again on a new connection, with DUP"),
    # Messages acknowledged by a subscriber: PUBACK and PUBREC.
    Metric("messages.acked", "messages_acked", "Messages acknowledged"),
    Metric("messages.acked.custom", "messages_acked_custom", "Messages of MQTT clients acknowledged"),
    Metric("messages.acked.admin", "messages_acked_admin", "Messages of the management API acknowledged"),
    Metric("messages.acked.lastwill", "messages_acked_lastwill", "Will messages acknowledged"),
    Metric("messages.acked.retain", "messages_acked_retain", "Messages published with RETAIN acknowledged"),
    Metric("messages.acked.system", "messages_acked_system", "Messages of the broker itself acknowledged"),
    Metric("messages.acked.bridge", "messages_acked_bridge", "Messages of bridges acknowledged"),
    # Messages that no subscription matched.
    Metric("messages.nonsubscribed", "messages_nonsubscribed", "Messages without a subscriber"),
    Metric(
        "messages.nonsubscribed.custom",
        "messages_nonsubscribed_custom",
        "Messages of MQTT clients without a subscriber",
    ),
    Metric(
        "messages.nonsubscribed.admin",
        "messages_nonsubscribed_admin",
        "Messages of the management API without a subscriber",
    ),
    Metric("messages.nonsubscribed.lastwill", "messages_nonsubscribed_lastwill", "Will messages without a subscriber"),
    Metric(
        "messages.nonsubscribed.system",
        "messages_nonsubscribed_system",
        "Messages of the broker itself without a subscriber",
    ),
    Metric(
        "messages.nonsubscribed.bridge",
        "messages_nonsubscribed_bridge",
        "Messages of bridges without a subscriber",
    ),
    # Messages dropped; messages.dropped is the sum of the reasons.
    Metric("messages.dropped", "messages_dropped", "Messages dropped, for all or for one receiver"),
    Metric("messages.dropped.queue_full", "dropped_queue_full", "Dropped because a session's queue was full"),
    Metric(
        "messages.dropped.expired",
        "dropped_expired",
        "Dropped from a queue because their expiry interval was over",
    ),
    Metric(
        "messages.dropped.too_large",
        "dropped_too_large",
        "Dropped because they exceed the receiver's Maximum Packet Size",
    ),
    Metric(
        "messages.dropped.out_buffer_full",
        "dropped_out_buffer_full",
        "QoS 0, dropped because the receiver doesn't read fast enough",
    ),
    Metric("messages.dropped.rate", "dropped_rate", "QoS 0, dropped because the receiver's delivery rate is used up"),
    Metric(
        "messages.dropped.storage_failed",
        "dropped_storage_failed",
        "Refused, or not retained, because the disk is full or fails",
    ),
    Metric(
        "messages.dropped.offline_qos0",
        "dropped_offline_qos0",
        "QoS 0, dropped because the subscriber is off line",
    ),
    Metric(
        "messages.dropped.no_share_member",
        "dropped_no_share_member",
        "Dropped because no member of the share group could take them",
    ),
    Metric(
        "messages.forwarded.dropped",
        "forwards_dropped",
        "QoS 0 messages for another node dropped because the link is down or full",
    ),
    Metric("messages.forwarded", "messages_forwarded", "Messages passed on to other nodes, once for each node"),
    Metric("messages.forwarded.received", "forwards_received", "Messages that other nodes have passed on to this one"),
    Metric(
        "messages.forwarded.unacknowledged",
        "forwards_unacknowledged",
        "QoS 1 and 2 messages that another node hasn't acknowledged in time: its transient clients may miss them",
    ),
    Metric("messages.dropped.rejected", "dropped_rejected", "Dropped because the receiver answered with an error"),
    Metric(
        "messages.dropped.session_ended",
        "dropped_session_ended",
        "Dropped because the session ended that they waited in",
    ),
    Metric(
        "messages.dropped.delayed_full",
        "dropped_delayed_full",
        "Refused because there is no room for one more delayed message",
    ),
    Metric("messages.dropped.hook", "dropped_hook", "Dropped by a plugin"),
    Metric(
        "messages.dropped.publish_denied",
        "dropped_publish_denied",
        "Dropped because the publisher isn't authorized",
    ),
    Metric(
        "messages.dropped.publish_invalid",
        "dropped_publish_invalid",
        "Dropped because topic or payload break a rule of the listener",
    ),
    # Messages by QoS, and what else became of them.
    Metric("messages.qos0.received", "messages_qos0_received", "QoS 0 PUBLISH packets received"),
    Metric("messages.qos0.sent", "messages_qos0_sent", "QoS 0 PUBLISH packets sent"),
    Metric("messages.qos1.received", "messages_qos1_received", "QoS 1 PUBLISH packets received"),
    Metric("messages.qos1.sent", "messages_qos1_sent", "QoS 1 PUBLISH packets sent"),
    Metric("messages.qos2.received", "messages_qos2_received", "QoS 2 PUBLISH packets received"),
    Metric("messages.qos2.sent", "messages_qos2_sent", "QoS 2 PUBLISH packets sent"),
    Metric("messages.queued", "messages_queued", "QoS 1 and 2 messages that had to wait in a session's queue"),
    Metric("messages.retained", "messages_retained", "Retained messages set or replaced"),
    Metric(
        "messages.retained.refused",
        "retained_refused",
        "Messages delivered but not retained: over a limit of the retained store",
    ),
    Metric(
        "messages.retained.expired",
        "retained_expired",
        "Retained messages removed because their expiry interval was over",
    ),
    # Packets received and sent, by type.
    Metric("packets.connect.received", "packets_connect_received", "CONNECT packets received"),
    Metric("packets.publish.received", "packets_publish_received", "PUBLISH packets received"),
    Metric("packets.puback.received", "packets_puback_received", "PUBACK packets received"),
    Metric("packets.pubrec.received", "packets_pubrec_received", "PUBREC packets received"),
    Metric("packets.pubrel.received", "packets_pubrel_received", "PUBREL packets received"),
    Metric("packets.pubcomp.received", "packets_pubcomp_received", "PUBCOMP packets received"),
    Metric("packets.subscribe.received", "packets_subscribe_received", "SUBSCRIBE packets received"),
    Metric("packets.unsubscribe.received", "packets_unsubscribe_received", "UNSUBSCRIBE packets received"),
    Metric("packets.pingreq.received", "packets_pingreq_received", "PINGREQ packets received"),
    Metric("packets.disconnect.received", "packets_disconnect_received", "DISCONNECT packets received"),
    Metric("packets.auth.received", "packets_auth_received", "AUTH packets received"),
    Metric("packets.connack.sent", "packets_connack_sent", "CONNACK packets sent"),
    Metric("packets.publish.sent", "packets_publish_sent", "PUBLISH packets sent"),
    Metric("packets.puback.sent", "packets_puback_sent", "PUBACK packets sent"),
    Metric("packets.pubrec.sent", "packets_pubrec_sent", "PUBREC packets sent"),
    Metric("packets.pubrel.sent", "packets_pubrel_sent", "PUBREL packets sent"),
    Metric("packets.pubcomp.sent", "packets_pubcomp_sent", "PUBCOMP packets sent"),
    Metric("packets.suback.sent", "packets_suback_sent", "SUBACK packets sent"),
    Metric("packets.unsuback.sent", "packets_unsuback_sent", "UNSUBACK packets sent"),
    Metric("packets.pingresp.sent", "packets_pingresp_sent", "PINGRESP packets sent"),
    Metric("packets.disconnect.sent", "packets_disconnect_sent", "DISCONNECT packets sent"),
    Metric("packets.auth.sent", "packets_auth_sent", "AUTH packets sent"),
    Metric("packets.acks.unexpected", "unexpected_acks", "Acknowledgements of packet identifiers that aren't in use"),
    # Why connections were refused or closed.
    Metric("connections.accepted", "connections_accepted", "Network connections accepted"),
    Metric("connections.handshakes_displaced", "handshakes_displaced", "Silent connections closed for newer ones"),
    Metric(
        "connections.refused.limit",
        "connections_refused_limit",
        "Network connections closed at once: a cap of the listener is reached",
    ),
    Metric(
        "connections.refused.busy",
        "connections_refused_busy",
        "CONNECTs refused because the node was too busy",
    ),
    Metric("connections.refused.banned", "connections_refused_banned", "CONNECTs refused because of the ban list"),
    Metric("connections.closed.banned", "connections_closed_banned", "Connections closed because of a new ban"),
    Metric(
        "connections.delayed",
        "accepts_delayed",
        "Times that accepting had to wait for the listener's connection rate",
    ),
    Metric(
        "reads.held.client",
        "reads_held_client",
        "Times that a client wasn't read for a while: over its own inbound rate",
    ),
    Metric(
        "reads.held.listener",
        "reads_held_listener",
        "Times that a client wasn't read for a while: its listener was over its inbound rate",
    ),
    Metric(
        "connections.closed_by_client",
        "connections_closed_by_client",
        "Connections ended by the client's DISCONNECT",
    ),
    Metric("connections.lost", "connections_lost", "Connections that ended without a DISCONNECT"),
    Metric(
        "connections.keepalive_timeouts",
        "keepalive_timeouts",
        "Connections closed because nothing came within the keep alive",
    ),
    Metric("connections.logins_ended", "logins_ended", "Connections closed because what the client proved has ended"),
    Metric("connections.malformed_packets", "malformed_packets", "Connections closed for a malformed packet"),
    Metric(
        "connections.packets_too_large",
        "packets_too_large",
        "Connections closed for a packet over the maximum size",
    ),
    Metric("client.publish.held", "publish_held", "PUBLISHes that had to wait because nothing could be stored"),
    Metric("connections.protocol_errors", "protocol_errors", "Connections closed for a protocol error"),
    Metric("proxy.protocol.errors", "proxy_protocol_errors", "Connections closed for a bad PROXY protocol header"),
    Metric("tls.handshake.errors", "tls_handshake_errors", "Connections whose TLS handshake failed"),
    Metric("ws.handshake.errors", "ws_handshake_errors", "Connections whose WebSocket handshake was refused"),
    # Logins of the node's own users.
    Metric("logins.failed", "logins_failed", "Logins with a bad user name or password"),
    Metric("logins.from_cache", "logins_from_cache", "Right logins that were remembered from a moment ago"),
    Metric("logins.refused.busy", "logins_refused_busy", "Logins refused because too many were being checked"),
    # Enhanced authentication, hooks, and bugs.
    Metric("enhanced_auth.started", "enhanced_auth_started", "AUTH exchanges begun at CONNECT"),
    Metric("enhanced_auth.completed", "enhanced_auth_completed", "AUTH exchanges that succeeded"),
    Metric("enhanced_auth.failed", "enhanced_auth_failed", "AUTH exchanges that failed"),
    Metric("hooks.errors", "hook_errors", "Hook handlers that raised"),
    Metric("hooks.overruns", "hook_overruns", "Hook handlers over their time budget"),
    Metric("hooks.queue_full", "hook_queue_full", "Events lost to an asynchronous hook handler: too many wait for it"),
    Metric(
        "hooks.echoes", "hook_echoes", "Events of plugins' messages that a handler wasn't told: it caused them itself"
    ),
    Metric("hooks.events_abandoned", "hook_events_abandoned", "Events that a stopped plugin wasn't told in time"),
    Metric("internal.errors", "internal_errors", "Bugs: exceptions that ended one connection"),
]

STATS: Final[list[Stat]] = [
    Stat("handshakings", "handshakes", SUM, "Connections whose CONNECT isn't decided yet"),
    Stat("handshakings_active", "handshakes_active", SUM, "CONNECTs that wait for a hook"),
    Stat("handshakings_rate", "handshakes_rate", SUM, "CONNECTs a second, over the last seconds"),
    Stat("connections", "connections", SUM, "Connected clients"),
    Stat("sessions", "sessions", SUM, "Sessions, with and without a connection"),
    Stat("subscriptions", "subscriptions", SUM, "Subscriptions, shared ones too"),
    Stat("subscriptions_shared", "subscriptions_shared", SUM, "Shared subscriptions"),
    Stat("subscriptions_persistent", "subscriptions_persistent", SUM, "Subscriptions of persistent sessions"),
    Stat("retained", "retained", ONCE, "Retained messages"),
    Stat("message_queues", "message_queues", SUM, "Messages that wait in the sessions' queues"),
    Stat("out_inflights", "out_inflights", SUM, "Messages sent to subscribers and not yet acknowledged"),
    Stat("in_inflights", "in_inflights", SUM, "QoS 2 messages received and not yet released"),
    Stat("forwards", "forwards", SUM, "Messages on their way to other nodes"),
    Stat("message_storages", "message_storages", SUM, "Messages kept for later subscribers"),
    Stat("delayed_publishs", "delayed_publishes", ONCE, "Delayed messages that wait for their time"),
    Stat("storage.failed", "storage_failed", SUM, "Is 1 while nothing can be stored because the disk is full or fails"),
    Stat("storage.held", "storage_held", SUM, "Is 1 while publishers wait: disk too slow or disk budget used up"),
    Stat("storage.bytes", "storage_bytes", SUM, "Bytes of journal, snapshot and segments on disk"),
    Stat("storage.queued_bytes", "storage_queued_bytes", SUM, "Bytes of payloads in memory that wait in queues"),
    Stat("topics", "topics", ONCE, "Distinct topic filters"),
    Stat("busy", "busy", SUM, "Whether the node is too busy to take new clients: 1 or 0"),
    Stat("routes", "routes", ONCE, "Routes: topic filters with the node they lead to"),
]

# RMQTT writes this one in two ways: its documents so, its answers with the plural below.
RETAINED_TODAY: Final = "retaineds"


def metrics_snapshot(counters: Counters) -> dict[str, int]:
    """All metrics by RMQTT name."""
    return {metric.name: getattr(counters, metric.attribute) for metric in METRICS}


def stats_snapshot(stats: Stats) -> dict[str, int]:
    """All stats by RMQTT name, each as ``.count`` and ``.max``."""
    values: dict[str, int] = {}
    for stat in STATS:
        gauge: Gauge = getattr(stats, stat.attribute)
        values[f"{stat.name}.count"] = gauge.count
        values[f"{stat.name}.max"] = gauge.max
        if stat.attribute == "retained":
            values[f"{RETAINED_TODAY}.count"] = gauge.count
            values[f"{RETAINED_TODAY}.max"] = gauge.max
    return values
