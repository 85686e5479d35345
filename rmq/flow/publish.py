"""Inbound PUBLISH: duplicate, quota, alias, name, topic, access, hooks, retain, route, answer; in this order."""

from typing import Final

from rmq.flow.context import STORAGE_FAILED, STORAGE_READY, FlowContext
from rmq.flow.delayed import check_topic, delay
from rmq.flow.forwarded import leave_to_all
from rmq.flow.ports import Pick
from rmq.flow.receipts import NO_REPLY, Reply, is_pending, reply, unacknowledged
from rmq.flow.route import distribute, route
from rmq.flow.send import note_dropped
from rmq.hooks import chains
from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT, DENY_ONCE, LATER, UNDECIDED
from rmq.metrics.histogram import SAMPLE_EVERY
from rmq.mqtt import codes
from rmq.mqtt.codes import NO_MATCHING_SUBSCRIBERS, PUBACK, PUBREC, QUOTA_EXCEEDED, SUCCESS, V5
from rmq.mqtt.message import FROM_CLIENT, AddressedMessage, Message
from rmq.mqtt.packets import Publish
from rmq.mqtt.primitives import is_utf8
from rmq.mqtt.properties import payload_format
from rmq.mqtt.topics import is_valid_topic_name, level_count
from rmq.session.channel import Channel
from rmq.session.limits import ACK_MEMORY
from rmq.session.session import Session

ACL_CACHE_SIZE: Final = 64
VERDICT_BITS: Final = 4
VERDICT_MASK: Final = 15


def handle_publish(ctx: FlowContext, channel: Channel, packet: Publish) -> None:
    """Everything from the decoded packet to its answer; the channel may be paused or closing afterwards."""
    session = channel.session
    if session is None:
        return
    limits = channel.limits
    qos = packet.qos
    if packet.topic_alias > 0 and not _resolve_alias(ctx, channel, packet):
        return
    if qos:
        if qos > limits.max_qos_allowed:
            ctx.ports.close(channel, codes.QOS_NOT_SUPPORTED, "QoS of PUBLISH not supported")  # [MQTT-3.2.2-11]
            return
        if qos == 2:
            # Until its PUBREL the packet identifier stands for the same message [MQTT-4.3.3-10].
            if channel.replies is not None and is_pending(channel, PUBREC, packet.packet_id):
                ctx.counters.client_publish_duplicate += 1
                return
            if session.has_inbound_qos2(packet.packet_id):
                ctx.counters.client_publish_duplicate += 1
                reply(ctx, channel, PUBREC, packet.packet_id, SUCCESS)
                return
        if _is_over_receive_maximum(channel, session):
            ctx.ports.close(channel, codes.RECEIVE_MAXIMUM_EXCEEDED, "more unacknowledged PUBLISHes than allowed")
            return
    if packet.retain and not limits.retain_available:
        ctx.ports.close(channel, codes.RETAIN_NOT_SUPPORTED, "retain not supported")
        return
    if ctx.chains.client_publish.handlers and packet.topic_alias >= 0 and not _take_name(ctx, channel, packet):
        return
    if packet.topic.startswith("$") and not _accept_dollar_topic(ctx, channel, packet):
        return
    if limits.max_topic_levels and level_count(packet.topic) > limits.max_topic_levels:
        refuse_content(ctx, channel, packet, codes.TOPIC_NAME_INVALID)
        return
    if limits.check_payload_format and payload_format(packet.properties) == 1 and not is_utf8(packet.payload):
        refuse_content(ctx, channel, packet, codes.PAYLOAD_FORMAT_INVALID)
        return
    if ctx.chains.message_publish_check_acl.handlers:
        verdict = check_acl(ctx, channel, packet)
        if verdict != ALLOW:
            if verdict == LATER:
                ctx.ports.check_publish_later(channel, packet)
            else:
                deny(ctx, channel, packet, verdict)
            return
    expires_at = 0.0
    if packet.message_expiry >= 0:
        expires_at = ctx.now + packet.message_expiry
    elif limits.message_expiry_interval:
        expires_at = ctx.now + limits.message_expiry_interval
    message = Message(
        packet.topic,
        packet.payload,
        qos,
        packet.retain,
        session.client_id,
        packet.properties,
        expires_at,
        ctx.now,
        limits.origin,
    )
    if ctx.chains.message_publish.handlers:
        if ctx.chains.message_publish.waits:
            ctx.ports.filter_publish_later(channel, packet, message)
            return
        filtered = chains.message_publish(ctx.chains, channel.info, message)
        if filtered is None:
            note_dropped_by_hook(ctx, channel, message)
        accept_filtered(ctx, channel, packet, filtered)
        return
    accept(ctx, channel, packet, message)


def _is_over_receive_maximum(channel: Channel, session: Session) -> bool:
    limit = channel.limits.receive_maximum
    if channel.version != V5:
        return session.inbound_qos2_count() >= limit  # nobody told it of a limit for what isn't answered yet
    if channel.unanswered + session.inbound_qos2_count() < limit:
        return False
    return unacknowledged(channel, session) >= limit


def note_dropped_by_hook(ctx: FlowContext, channel: Channel | None, message: Message) -> None:
    """A ``message_publish`` hook dropped a message."""
    ctx.counters.dropped_hook += 1
    note_dropped(ctx, None if channel is None else channel.session, message, "hook")


def accept_filtered(ctx: FlowContext, channel: Channel, packet: Publish, message: Message | None) -> None:
    """``accept`` for what handlers have left of a message: they may have addressed it to one client."""
    if isinstance(message, AddressedMessage):
        ctx.ports.accept_addressed(channel, packet, message)
    else:
        accept(ctx, channel, packet, message)


def accept(ctx: FlowContext, channel: Channel, packet: Publish, message: Message | None) -> None:
    """Route a message that passed all checks (None: a hook dropped it) and answer its PUBLISH."""
    session = channel.session
    if session is None:
        return
    if ctx.now > ctx.routes_until:
        if ctx.storage == STORAGE_FAILED and packet.qos and channel.version == V5:
            refuse(ctx, channel, packet, QUOTA_EXCEEDED)
        else:
            ctx.ports.wait_for_storage(channel, packet, message)
        return
    if packet.delay >= 0 and message is not None and delay(ctx, channel, session, packet, message):
        return
    qos = packet.qos
    publisher = session if qos == 2 and session.persistent else None
    if ctx.storage != STORAGE_READY and (qos or packet.retain) and _needs_storage(ctx, message, publisher):
        if ctx.storage != STORAGE_FAILED or (qos and channel.version != V5):
            ctx.ports.wait_for_storage(channel, packet, message)
            return
        if qos:
            refuse(ctx, channel, packet, QUOTA_EXCEEDED)
            return
    if qos == 0:
        if message is not None:
            if not message.retain:
                distribute(ctx, message, False)
                if ctx.forward_to is not None or ctx.picks is not None:
                    ctx.lanes.forward(message, ctx.forward_to, ctx.picks, None)
            else:
                place = Reply(ctx, channel, NO_REPLY, 0, 0, False)
                if route(ctx, message, place) < 0:
                    place.enlist()
        return
    answer = PUBACK if qos == 1 else PUBREC
    since = 0.0
    if ctx.counters.packets_publish_received >= ctx.measure_ack_at:
        ctx.measure_ack_at = ctx.counters.packets_publish_received + SAMPLE_EVERY
        since = ctx.now if message is None else message.created_at
    matched = 1
    stores = publisher is not None
    chosen: list[str] | None = None
    forward_to: list[int] | None = None
    picks: list[Pick] | None = None
    if message is not None:
        if publisher is not None and ctx.node_id:
            matched = leave_to_all(ctx, message)
        else:
            matched = distribute(ctx, message, stores)
        stores = ctx.must_store
        chosen = ctx.chosen
        forward_to = ctx.forward_to
        picks = ctx.picks
    if qos == 2 and publisher is None:
        session.add_inbound_qos2(packet.packet_id)
    forwards = forward_to is not None or picks is not None
    if stores or forwards:
        later = Reply(ctx, channel, answer, packet.packet_id, SUCCESS, qos == 1 or publisher is not None)
        later.since = since
        waits = channel.limits.ack_policy != ACK_MEMORY
        parts = 0
        if stores:
            stays = waits or publisher is not None
            if not ctx.ports.store(message, chosen, publisher, packet.packet_id, later if stays else None) and stays:
                parts = 1
        if forwards and message is not None:
            acknowledging = ctx.lanes.forward(message, forward_to, picks, later if waits else None)
            if waits:
                parts += acknowledging
        if parts:
            later.parts = parts
            later.enlist()
            return
    reply(ctx, channel, answer, packet.packet_id, NO_MATCHING_SUBSCRIBERS if matched == 0 else SUCCESS, since)


def _needs_storage(ctx: FlowContext, message: Message | None, publisher: Session | None) -> bool:
    if publisher is not None:
        return True
    if message is None:
        return False
    if message.retain:
        return True
    targets = ctx.router.match(message.topic)
    for target in targets.plain:
        if target.session.persistent and target.qos:
            return True
    return len(targets.groups) > 0


def _resolve_alias(ctx: FlowContext, channel: Channel, packet: Publish) -> bool:
    alias = packet.topic_alias
    if alias > channel.limits.max_topic_aliases:
        ctx.ports.close(channel, codes.TOPIC_ALIAS_INVALID, "topic alias over the announced maximum")  # [MQTT-3.3.2-9]
        return False
    aliases = channel.aliases_in
    if packet.topic:
        if aliases is None:
            aliases = {}
            channel.aliases_in = aliases
        aliases[alias] = packet.topic
        return True
    topic = None if aliases is None else aliases.get(alias)
    if topic is None:
        ctx.ports.close(channel, codes.PROTOCOL_ERROR, "unknown topic alias")
        return False
    packet.topic = topic
    return True


def _take_name(ctx: FlowContext, channel: Channel, packet: Publish) -> bool:
    """Have handlers say which topic name is meant; once, for the PUBLISH may be looked at again after a wait."""
    info = channel.info
    if info is None:
        return True
    topic = chains.client_publish(ctx.chains, info, packet.topic)
    if topic is None:
        deny(ctx, channel, packet, DENY)
        return False
    packet.topic = topic
    packet.topic_alias = -1  # the alias stands for the name that the client wrote
    if not is_valid_topic_name(topic):
        refuse_content(ctx, channel, packet, codes.TOPIC_NAME_INVALID)
        return False
    return True


def _accept_dollar_topic(ctx: FlowContext, channel: Channel, packet: Publish) -> bool:
    """Whether a PUBLISH to a topic name that begins with ``$`` goes on; if not, it is answered."""
    refusal = check_topic(channel, packet)
    if refusal == SUCCESS:
        return True
    if refusal == codes.NOT_AUTHORIZED:
        # Whatever the rules say the topic is the broker's own; they may say that whoever tries is disconnected.
        verdict = check_acl(ctx, channel, packet) if ctx.chains.message_publish_check_acl.handlers else DENY
        deny(ctx, channel, packet, verdict if verdict == DENY_AND_DISCONNECT else DENY)
    else:
        refuse_content(ctx, channel, packet, refusal)
    return False


def check_acl(ctx: FlowContext, channel: Channel, packet: Publish) -> int:
    """The verdict on a PUBLISH, remembered for its topic name, QoS and RETAIN; LATER when it must be awaited."""
    shift = (packet.qos * 2 + (1 if packet.retain else 0)) * VERDICT_BITS
    cache = channel.acl
    if cache is None:
        cache = {}
        channel.acl = cache
    packed = cache.get(packet.topic, 0)
    verdict = packed >> shift & VERDICT_MASK
    if verdict:
        return verdict
    info = channel.info
    if info is None:
        return UNDECIDED
    ctx.counters.client_publish_check_acl += 1
    if info.superuser:
        verdict = ALLOW
    else:
        verdict = chains.message_publish_check_acl(ctx.chains, info, packet.topic, packet.qos, packet.retain)
    if verdict == UNDECIDED:
        verdict = ALLOW  # no rule has an opinion: a chain that must decide ends with a rule that does
    if verdict != LATER and verdict != DENY_ONCE:
        remember_verdict(channel, packet, verdict)
    return verdict


def remember_verdict(channel: Channel, packet: Publish, verdict: int) -> None:
    """Cache an access verdict for this topic, QoS and RETAIN until the connection ends or rules change."""
    cache = channel.acl
    if cache is None:
        cache = {}
        channel.acl = cache
    elif len(cache) >= ACL_CACHE_SIZE and packet.topic not in cache:
        cache.clear()
    shift = (packet.qos * 2 + (1 if packet.retain else 0)) * VERDICT_BITS
    cache[packet.topic] = cache.get(packet.topic, 0) & ~(VERDICT_MASK << shift) | verdict << shift


def deny(ctx: FlowContext, channel: Channel, packet: Publish, verdict: int) -> None:
    """Answer a PUBLISH that isn't allowed: as the verdict says, by closing or by an acknowledgement with the reason."""
    ctx.counters.client_publish_auth_error += 1
    if verdict == DENY_AND_DISCONNECT:
        ctx.counters.dropped_publish_denied += 1
        _note_refused(ctx, channel, packet, "publish_denied")
        ctx.ports.close(channel, codes.NOT_AUTHORIZED, "not authorized to publish")
        return
    refuse(ctx, channel, packet, codes.NOT_AUTHORIZED)


def refuse_content(ctx: FlowContext, channel: Channel, packet: Publish, reason_code: int) -> None:
    """Refuse a PUBLISH for what it is: with the reason, or by closing where nothing else tells."""
    if channel.version == V5 and packet.qos:
        refuse(ctx, channel, packet, reason_code)
        return
    # Nothing else tells the publisher of a QoS 0 message, or an MQTT 3 client, that it is not delivered.
    ctx.counters.client_publish_error += 1
    ctx.counters.dropped_publish_invalid += 1
    _note_refused(ctx, channel, packet, "publish_invalid")
    ctx.ports.close(channel, reason_code, codes.REASON_NAMES[reason_code])


def refuse(ctx: FlowContext, channel: Channel, packet: Publish, reason_code: int) -> None:
    """Drop a message and say why, where the protocol version can."""
    ctx.counters.client_publish_error += 1
    if reason_code == codes.NOT_AUTHORIZED:
        ctx.counters.dropped_publish_denied += 1
        _note_refused(ctx, channel, packet, "publish_denied")
    elif reason_code == QUOTA_EXCEEDED:
        ctx.counters.dropped_storage_failed += 1
        _note_refused(ctx, channel, packet, "storage_failed")
    else:
        ctx.counters.dropped_publish_invalid += 1
        _note_refused(ctx, channel, packet, "publish_invalid")
    if packet.qos == 1:
        reply(ctx, channel, PUBACK, packet.packet_id, reason_code)
    elif packet.qos == 2:
        if channel.version != V5:
            # MQTT 3 can't refuse: the exchange has to be completed, so its identifier is remembered.
            accept(ctx, channel, packet, None)
            return
        reply(ctx, channel, PUBREC, packet.packet_id, reason_code)


def _note_refused(ctx: FlowContext, channel: Channel, packet: Publish, reason: str) -> None:
    ctx.counters.messages_dropped += 1
    info = channel.info
    if ctx.chains.message_dropped.handlers and info is not None:
        message = Message(
            packet.topic,
            packet.payload,
            packet.qos,
            packet.retain,
            info.client_id,
            packet.properties,
            0.0,
            ctx.now,
            FROM_CLIENT,
        )
        chains.message_dropped(ctx.chains, info, message, reason)
