"""Where a message goes: connections here, queues, other nodes; by exactly one path per session."""

from rmq.flow.context import STORAGE_FAILED, FlowContext
from rmq.flow.deliver import deliver_qos0, enqueue
from rmq.flow.origin_counts import count_nonsubscribed, count_published
from rmq.flow.ports import Pick
from rmq.flow.send import note_dropped
from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.session.subscription import Subscription


def route(ctx: FlowContext, message: Message, receipt: Receipt | None) -> int:
    """Deliver to everyone: directly, through the store, or on other nodes.

    Returns how many sessions matched, or -1 when the message is stored later: ``receipt`` will tell.
    """
    matched = distribute(ctx, message, False)
    if ctx.forward_to is not None or ctx.picks is not None:
        ctx.lanes.forward(message, ctx.forward_to, ctx.picks, None)
    if not ctx.must_store:
        return matched
    if ctx.storage == STORAGE_FAILED and message.qos == 0:
        ctx.counters.dropped_storage_failed += 1  # only to be retained
        note_dropped(ctx, None, message, "storage_failed")
        return matched
    return matched if ctx.ports.store(message, ctx.chosen, None, 0, receipt) else -1


def distribute(ctx: FlowContext, message: Message, must_store: bool) -> int:
    """All deliveries but those through the store; returns how many sessions matched, stored ones too.

    ``ctx.must_store`` says afterwards whether the message has to be stored, ``ctx.chosen`` for which members of share
    groups; ``ctx.forward_to`` and ``ctx.picks`` which other nodes it has to be forwarded to.
    """
    counters = ctx.counters
    count_published(ctx, message)
    if ctx.observed:
        ctx.ports.on_routed(message)
    message_qos = message.qos
    targets = ctx.router.match(message.topic)
    matched = 0
    must_store = must_store or message.retain
    forward_to: list[int] | None = None
    ctx.picks = None
    for target in targets.plain:
        session = target.session
        if target.no_local and session.client_id == message.publisher:
            own = target.without_own  # [MQTT-3.8.3-3]
            if own is None:
                continue
            target = own
        matched += 1
        qos = target.qos if target.qos < message_qos else message_qos
        if qos and session.persistent:
            must_store = True
            continue
        channel = session.channel
        if channel is None:
            if session.remote and session.disconnected_at == 0.0:
                if forward_to is None:
                    forward_to = [session.node]
                elif session.node not in forward_to:
                    forward_to.append(session.node)
                continue
            counters.dropped_offline_qos0 += 1
            note_dropped(ctx, session, message, "offline_qos0")
            continue
        retain = message.retain and target.retain_as_published  # [MQTT-3.3.1-12, -13]
        if qos == 0:
            deliver_qos0(ctx, channel, message, retain, target.subscription_ids)
        else:
            enqueue(ctx, session, message, qos, retain, target.subscription_ids, "")
    chosen: list[str] | None = None
    if targets.groups:
        for group in targets.groups:
            member = group.choose(message, False, None)
            if member is None:
                counters.dropped_no_share_member += 1
                note_dropped(ctx, None, message, "no_share_member")
                continue
            matched += 1
            if not deliver_to_member(ctx, member, message):
                if chosen is None:
                    chosen = []
                chosen.append(member.key)
                chosen.append(member.session.client_id)
                must_store = True
    if matched == 0:
        count_nonsubscribed(ctx, message)
    ctx.must_store = must_store
    ctx.chosen = chosen
    ctx.forward_to = forward_to
    return matched


def deliver_to_member(ctx: FlowContext, member: Subscription, message: Message) -> bool:
    """Deliver to the chosen member of a share group; False when it must go through the store instead.

    One with its connection on another node is added to ``ctx.picks``.
    """
    session = member.session
    qos = member.qos if member.qos < message.qos else message.qos
    if qos and session.persistent:
        return False
    channel = session.channel
    if channel is None:
        if session.remote and session.disconnected_at == 0.0:
            pick = Pick(session.node, member.key, session.client_id)
            picks = ctx.picks
            if picks is None:
                ctx.picks = [pick]
            else:
                picks.append(pick)
            return True
        ctx.counters.dropped_offline_qos0 += 1
        note_dropped(ctx, session, message, "offline_qos0")
        return True
    ids = [member.subscription_id] if member.subscription_id else None
    retain = message.retain and member.retain_as_published
    if qos == 0:
        deliver_qos0(ctx, channel, message, retain, ids)
    else:
        enqueue(ctx, session, message, qos, retain, ids, member.key)
    return True


def hand_to_member(ctx: FlowContext, member: Subscription, message: Message) -> bool:
    """The same for one message alone: forwarded at once if the member is elsewhere."""
    ctx.picks = None
    if not deliver_to_member(ctx, member, message):
        return False
    picks = ctx.take_picks()
    if picks is not None:
        ctx.lanes.forward(message, None, picks, None)
    return True
