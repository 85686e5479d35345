"""Messages that came from another node: to this node's connections, beside what comes through the queues."""

from rmq.flow.context import FlowContext
from rmq.flow.deliver import deliver_qos0, enqueue
from rmq.flow.forward_wire import TO_ALL, Forwarded
from rmq.flow.origin_counts import count_nonsubscribed, count_published
from rmq.flow.route import deliver_to_member
from rmq.flow.send import note_dropped, send_packets
from rmq.mqtt.codes import V5
from rmq.mqtt.message import Message
from rmq.mqtt.publish_wire import share_heads
from rmq.routing.share_groups import ShareGroup
from rmq.routing.targets import Target
from rmq.session.channel import Channel


def deliver_forwarded(ctx: FlowContext, message: Message) -> None:
    """To every connection here with a plain subscription, but for what comes from its session's queue."""
    for target in ctx.router.match(message.topic).plain:
        channel = target.session.channel
        if channel is not None:
            _deliver(ctx, channel, target, message)


def _deliver(ctx: FlowContext, channel: Channel, target: Target, message: Message) -> None:
    session = target.session
    if target.no_local and session.client_id == message.publisher:
        own = target.without_own  # [MQTT-3.8.3-3]
        if own is None:
            return
        target = own
    qos = target.qos if target.qos < message.qos else message.qos
    if qos and session.persistent:
        return
    retain = message.retain and target.retain_as_published
    if qos == 0:
        deliver_qos0(ctx, channel, message, retain, target.subscription_ids)
    else:
        enqueue(ctx, session, message, qos, retain, target.subscription_ids, "")


def _deliver_run(ctx: FlowContext, run: Forwarded, bugs: list[Exception]) -> None:
    """The same for all messages of a run, one connection after the other."""
    messages: list[Message] | None = None
    packets = run.packets
    for target in ctx.router.match(run.topic).plain:
        channel = target.session.channel
        if channel is None:
            continue
        if packets and _takes_packets(ctx, channel, target, len(packets)):
            send_packets(ctx, channel, packets, run.count)
            continue
        if messages is None:
            messages = run.messages(ctx.now)
            share_heads(messages)
        for message in messages:
            try:
                _deliver(ctx, channel, target, message)
            except Exception as error:
                bugs.append(error)


def _takes_packets(ctx: FlowContext, channel: Channel, target: Target, size: int) -> bool:
    """Whether nothing has to be looked at, or added, message by message."""
    limits = channel.limits
    return (
        channel.version != V5
        and not target.no_local
        and limits.mqueue_rate == 0
        and channel.out_size + size <= limits.out_buffer_limit
        and not ctx.chains.message_delivered.handlers
    )


def deliver_picked(ctx: FlowContext, message: Message, key: str, client_id: str) -> bool:
    """To the member of a share group that another node has chosen; False when it has left since."""
    group = group_of(ctx, message, key)
    member = None if group is None else group.member(client_id)
    if member is None or member.session.channel is None:
        return False
    return deliver_to_member(ctx, member, message)


def deliver_frame(ctx: FlowContext, runs: list[Forwarded], bugs: list[Exception]) -> list[Forwarded]:
    """All messages of a frame; returns those for members of share groups that have left since."""
    left: list[Forwarded] = []
    for run in runs:
        try:
            message = run.message
            if message is None:
                _deliver_run(ctx, run, bugs)
            elif run.kind == TO_ALL:
                deliver_forwarded(ctx, message)
            elif not deliver_picked(ctx, message, run.key, run.client_id):
                left.append(run)
        except Exception as error:
            bugs.append(error)
    return left


def group_of(ctx: FlowContext, message: Message, key: str) -> ShareGroup | None:
    """The share group with this key, if it has members."""
    for group in ctx.router.match(message.topic).groups:
        if f"$share/{group.name}/{group.topic_filter}" == key:
            return group
    return None


def choose_members(ctx: FlowContext, message: Message) -> list[str] | None:
    """For each share group that a message matches the key and the client id of a member, in turn."""
    chosen: list[str] | None = None
    for group in ctx.router.match(message.topic).groups:
        member = group.choose(message, False, None)
        if member is None:
            ctx.counters.dropped_no_share_member += 1
            note_dropped(ctx, None, message, "no_share_member")
            continue
        if chosen is None:
            chosen = []
        chosen.append(member.key)
        chosen.append(member.session.client_id)
    return chosen


def leave_to_all(ctx: FlowContext, message: Message) -> int:
    """What ``distribute`` does, for a message that every node delivers when it is applied; how many sessions match.

    QoS 2 of a publisher whose session is kept: it may send the message again on another node, and only what is applied
    tells that it is the same.
    """
    count_published(ctx, message)
    if ctx.observed:
        ctx.ports.on_routed(message)
    targets = ctx.router.match(message.topic)
    matched = len(targets.plain) + len(targets.groups)
    if matched == 0:
        count_nonsubscribed(ctx, message)
    ctx.chosen = choose_members(ctx, message)
    ctx.must_store = True
    ctx.forward_to = None
    ctx.picks = None
    return matched


def deliver_applied(ctx: FlowContext, message: Message, chosen: list[str] | None) -> None:
    """Every node calls this for the same message: each delivers to its own connections."""
    deliver_forwarded(ctx, message)
    if chosen is None:
        return
    for group in ctx.router.match(message.topic).groups:
        key = f"$share/{group.name}/{group.topic_filter}"
        for i in range(0, len(chosen), 2):
            if chosen[i] == key:
                member = group.member(chosen[i + 1])
                if member is not None and member.session.channel is not None:
                    deliver_to_member(ctx, member, message)  # False: it comes through the queue
