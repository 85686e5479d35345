"""Counters of one node: one int attribute a counter, so that counting costs one ``+= 1``; they only ever grow.

``keys`` says what each is called outside. Whoever drops a message adds one to ``messages_dropped`` and to the reason.
"""


class Counters:
    """All counters of a node, from zero at its start."""

    __slots__ = (
        "accepts_delayed",
        "bytes_received",
        "bytes_sent",
        "client_auth_anonymous",
        "client_auth_anonymous_error",
        "client_authenticate",
        "client_connack",
        "client_connack_auth_error",
        "client_connack_error",
        "client_connack_unavailable_error",
        "client_connect",
        "client_connected",
        "client_disconnected",
        "client_handshaking_timeout",
        "client_publish_auth_error",
        "client_publish_check_acl",
        "client_publish_duplicate",
        "client_publish_error",
        "client_subscribe",
        "client_subscribe_auth_error",
        "client_subscribe_check_acl",
        "client_subscribe_error",
        "client_unsubscribe",
        "connections_accepted",
        "connections_closed_banned",
        "connections_closed_by_client",
        "connections_lost",
        "connections_refused_banned",
        "connections_refused_busy",
        "connections_refused_limit",
        "handshakes_displaced",
        "dropped_delayed_full",
        "dropped_expired",
        "dropped_hook",
        "dropped_no_share_member",
        "dropped_offline_qos0",
        "dropped_out_buffer_full",
        "dropped_publish_denied",
        "dropped_publish_invalid",
        "dropped_queue_full",
        "dropped_rate",
        "dropped_storage_failed",
        "dropped_rejected",
        "dropped_session_ended",
        "dropped_too_large",
        "enhanced_auth_completed",
        "enhanced_auth_failed",
        "enhanced_auth_started",
        "hook_echoes",
        "hook_errors",
        "hook_events_abandoned",
        "hook_overruns",
        "hook_queue_full",
        "forwards_dropped",
        "forwards_received",
        "forwards_unacknowledged",
        "internal_errors",
        "keepalive_timeouts",
        "logins_ended",
        "logins_failed",
        "logins_from_cache",
        "logins_refused_busy",
        "malformed_packets",
        "messages_acked",
        "messages_acked_admin",
        "messages_acked_bridge",
        "messages_acked_custom",
        "messages_acked_lastwill",
        "messages_acked_retain",
        "messages_acked_system",
        "messages_delivered",
        "messages_delivered_admin",
        "messages_delivered_bridge",
        "messages_delivered_custom",
        "messages_delivered_lastwill",
        "messages_delivered_retain",
        "messages_delivered_system",
        "messages_dropped",
        "messages_nonsubscribed",
        "messages_nonsubscribed_admin",
        "messages_nonsubscribed_bridge",
        "messages_nonsubscribed_custom",
        "messages_nonsubscribed_lastwill",
        "messages_nonsubscribed_system",
        "messages_publish",
        "messages_publish_admin",
        "messages_publish_bridge",
        "messages_publish_custom",
        "messages_publish_lastwill",
        "messages_publish_system",
        "messages_qos0_received",
        "messages_qos0_sent",
        "messages_qos1_received",
        "messages_qos1_sent",
        "messages_qos2_received",
        "messages_qos2_sent",
        "messages_forwarded",
        "messages_queued",
        "messages_redelivered",
        "messages_retained",
        "packets_auth_received",
        "packets_auth_sent",
        "packets_connack_sent",
        "packets_connect_received",
        "packets_disconnect_received",
        "packets_disconnect_sent",
        "packets_pingreq_received",
        "packets_pingresp_sent",
        "packets_puback_received",
        "packets_puback_sent",
        "packets_pubcomp_received",
        "packets_pubcomp_sent",
        "packets_publish_received",
        "packets_publish_sent",
        "packets_pubrec_received",
        "packets_pubrec_sent",
        "packets_pubrel_received",
        "packets_pubrel_sent",
        "packets_suback_sent",
        "packets_subscribe_received",
        "packets_too_large",
        "packets_unsuback_sent",
        "packets_unsubscribe_received",
        "protocol_errors",
        "proxy_protocol_errors",
        "publish_held",
        "reads_held_client",
        "reads_held_listener",
        "retained_expired",
        "retained_refused",
        "session_created",
        "session_expired",
        "session_resumed",
        "session_subscribed",
        "session_terminated",
        "session_unsubscribed",
        "subscriptions_revoked",
        "storage_batches",
        "storage_errors",
        "storage_snapshots",
        "takeovers",
        "tls_handshake_errors",
        "unexpected_acks",
        "ws_handshake_errors",
    )

    def __init__(self) -> None:
        # Bytes on the wire.
        self.bytes_received = 0
        self.bytes_sent = 0
        # Clients: connecting, authenticating, ending.
        self.client_authenticate = 0
        self.client_auth_anonymous = 0
        self.client_auth_anonymous_error = 0
        self.client_handshaking_timeout = 0
        self.client_connect = 0
        self.client_connack = 0
        self.client_connack_auth_error = 0
        self.client_connack_unavailable_error = 0
        self.client_connack_error = 0
        self.client_connected = 0
        self.client_disconnected = 0
        self.client_subscribe_check_acl = 0
        self.client_publish_check_acl = 0
        self.client_subscribe = 0
        self.client_unsubscribe = 0
        self.client_subscribe_error = 0
        self.client_subscribe_auth_error = 0
        self.client_publish_auth_error = 0
        self.client_publish_error = 0
        self.client_publish_duplicate = 0
        # Sessions.
        self.session_subscribed = 0
        self.session_unsubscribed = 0
        self.subscriptions_revoked = 0
        self.session_created = 0
        self.session_resumed = 0
        self.session_terminated = 0
        self.session_expired = 0
        self.storage_batches = 0
        self.storage_errors = 0
        self.storage_snapshots = 0
        self.takeovers = 0
        # Messages published, by where they come from.
        self.messages_publish = 0
        self.messages_publish_custom = 0
        self.messages_publish_admin = 0
        self.messages_publish_lastwill = 0
        self.messages_publish_system = 0
        self.messages_publish_bridge = 0
        # Messages delivered: put into a subscriber's out-buffer.
        self.messages_delivered = 0
        self.messages_delivered_custom = 0
        self.messages_delivered_admin = 0
        self.messages_delivered_lastwill = 0
        self.messages_delivered_retain = 0
        self.messages_delivered_system = 0
        self.messages_delivered_bridge = 0
        self.messages_redelivered = 0
        # Messages acknowledged by a subscriber: PUBACK and PUBREC.
        self.messages_acked = 0
        self.messages_acked_custom = 0
        self.messages_acked_admin = 0
        self.messages_acked_lastwill = 0
        self.messages_acked_retain = 0
        self.messages_acked_system = 0
        self.messages_acked_bridge = 0
        # Messages that no subscription matched.
        self.messages_nonsubscribed = 0
        self.messages_nonsubscribed_custom = 0
        self.messages_nonsubscribed_admin = 0
        self.messages_nonsubscribed_lastwill = 0
        self.messages_nonsubscribed_system = 0
        self.messages_nonsubscribed_bridge = 0
        # Messages dropped; messages.dropped is the sum of the reasons.
        self.messages_dropped = 0
        self.dropped_queue_full = 0
        self.dropped_expired = 0
        self.dropped_too_large = 0
        self.dropped_out_buffer_full = 0
        self.dropped_rate = 0
        self.dropped_storage_failed = 0
        self.dropped_offline_qos0 = 0
        self.dropped_no_share_member = 0
        self.dropped_rejected = 0
        self.dropped_session_ended = 0
        self.dropped_delayed_full = 0
        self.forwards_dropped = 0
        self.dropped_hook = 0
        self.dropped_publish_denied = 0
        self.dropped_publish_invalid = 0
        # Messages by QoS, and what else became of them.
        self.messages_qos0_received = 0
        self.messages_qos0_sent = 0
        self.messages_qos1_received = 0
        self.messages_qos1_sent = 0
        self.messages_qos2_received = 0
        self.messages_qos2_sent = 0
        self.messages_queued = 0
        self.messages_retained = 0
        self.retained_refused = 0
        self.retained_expired = 0
        # Packets received and sent, by type.
        self.packets_connect_received = 0
        self.packets_publish_received = 0
        self.packets_puback_received = 0
        self.packets_pubrec_received = 0
        self.packets_pubrel_received = 0
        self.packets_pubcomp_received = 0
        self.packets_subscribe_received = 0
        self.packets_unsubscribe_received = 0
        self.packets_pingreq_received = 0
        self.packets_disconnect_received = 0
        self.packets_auth_received = 0
        self.packets_connack_sent = 0
        self.packets_publish_sent = 0
        self.packets_puback_sent = 0
        self.packets_pubrec_sent = 0
        self.packets_pubrel_sent = 0
        self.packets_pubcomp_sent = 0
        self.packets_suback_sent = 0
        self.packets_unsuback_sent = 0
        self.packets_pingresp_sent = 0
        self.packets_disconnect_sent = 0
        self.packets_auth_sent = 0
        self.unexpected_acks = 0
        # Why connections were refused or closed.
        self.connections_accepted = 0
        self.connections_refused_limit = 0
        self.handshakes_displaced = 0
        self.connections_refused_busy = 0
        self.connections_refused_banned = 0
        self.connections_closed_banned = 0
        self.accepts_delayed = 0
        self.reads_held_client = 0
        self.reads_held_listener = 0
        self.connections_closed_by_client = 0
        self.connections_lost = 0
        self.keepalive_timeouts = 0
        self.logins_ended = 0
        self.malformed_packets = 0
        self.packets_too_large = 0
        self.protocol_errors = 0
        self.proxy_protocol_errors = 0
        self.tls_handshake_errors = 0
        self.ws_handshake_errors = 0
        self.publish_held = 0
        # Logins of the node's own users.
        self.logins_failed = 0
        self.logins_from_cache = 0
        self.logins_refused_busy = 0
        # Enhanced authentication, hooks, and bugs.
        self.enhanced_auth_started = 0
        self.enhanced_auth_completed = 0
        self.enhanced_auth_failed = 0
        self.hook_errors = 0
        self.hook_overruns = 0
        self.hook_queue_full = 0
        self.hook_echoes = 0
        self.hook_events_abandoned = 0
        self.internal_errors = 0
        self.messages_forwarded = 0
        self.forwards_received = 0
        self.forwards_unacknowledged = 0
