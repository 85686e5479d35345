"""SUBSCRIBE and UNSUBSCRIBE: each topic filter is checked, decided and entered on its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.engine.filter_rules import add_subscription, filter_for_access, has_room, refusal
from rmq.flow.context import STORAGE_FAILED
from rmq.flow.deliver import pump
from rmq.hooks import chains
from rmq.hooks.verdicts import DENY, DENY_AND_DISCONNECT, DENY_ONCE
from rmq.mqtt import codes
from rmq.mqtt.encode import encode_suback, encode_unsuback
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Suback, Subscribe, SubscriptionRequest, Unsuback, Unsubscribe
from rmq.mqtt.topics import is_valid_topic_filter, matches
from rmq.session.channel import Channel, RetainedReplay
from rmq.session.client_info import ClientInfo
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.cluster_records import AddMember, Barrier, ClusterOperation
from rmq.storage.records import AddSubscription, Operation, RemoveSubscription
from rmq.storage.subscriptions import subscribe, subscription_of, unsubscribe

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def handle_subscribe(broker: "Broker", channel: Channel, packet: Subscribe) -> None:
    """Decide each filter, enter what is granted, answer, then send the retained messages."""
    broker.counters.packets_subscribe_received += 1
    info = channel.info
    if info is None:
        return
    if channel.version != codes.V5 and not all(is_valid_topic_filter(r.topic_filter) for r in packet.requests):
        # MQTT 3 has no reason code for it: a protocol violation [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.8.0-1].
        disconnect.close(broker, channel, codes.TOPIC_FILTER_INVALID, "topic filter invalid")
        return
    if packet.subscription_id and not channel.limits.subscription_identifiers_available:
        disconnect.close(
            broker, channel, codes.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, "subscription identifiers not supported"
        )
        return
    hooks = broker.chains
    if not hooks.client_subscribe.waits and not hooks.client_subscribe_check_acl.waits:
        decisions: list[SubscriptionRequest | int] = []
        for request in packet.requests:
            changed: SubscriptionRequest | None = request
            if hooks.client_subscribe.handlers:
                changed = chains.client_subscribe(hooks, info, request)
            verdict = 0
            if changed is not None and hooks.client_subscribe_check_acl.handlers and not info.superuser:
                broker.counters.client_subscribe_check_acl += 1
                asked = filter_for_access(changed.topic_filter)
                verdict = chains.client_subscribe_check_acl(hooks, info, asked, changed.qos)
            decisions.append(_decision(broker, channel, changed, verdict))
        _complete_subscribe(broker, channel, packet, info, decisions)
        return

    async def work() -> Callable[[], None]:
        late: list[SubscriptionRequest | int] = []
        for request in packet.requests:
            changed = await broker.runner.run_filter("client_subscribe", info, request)
            verdict = 0
            if changed is not None and not info.superuser:
                broker.counters.client_subscribe_check_acl += 1
                verdict = await broker.runner.run_decide(
                    "client_subscribe_check_acl", info, filter_for_access(changed.topic_filter), changed.qos
                )
            late.append(_decision(broker, channel, changed, verdict))
        return lambda: _complete_subscribe(broker, channel, packet, info, late)

    broker.wait(channel, work)


def _decision(
    broker: "Broker", channel: Channel, request: SubscriptionRequest | None, verdict: int
) -> SubscriptionRequest | int:
    """The request that is granted, or the reason code of its refusal."""
    if request is None:
        return codes.UNSPECIFIED_ERROR
    if verdict in (DENY, DENY_AND_DISCONNECT, DENY_ONCE):
        broker.counters.client_subscribe_auth_error += 1
        return codes.NOT_AUTHORIZED
    return refusal(channel.limits, request.topic_filter) or request


class _Granted:
    """One topic filter that is granted; ``existing`` says whether the session had it before."""

    def __init__(self, request: SubscriptionRequest, qos: int, *, existing: bool) -> None:
        self.request = request
        self.qos = qos
        self.existing = existing


def _complete_subscribe(
    broker: "Broker",
    channel: Channel,
    packet: Subscribe,
    info: ClientInfo,
    decisions: list[SubscriptionRequest | int],
) -> None:
    session = channel.session
    if session is None:
        return
    outcomes = _grant(broker, channel, session, decisions)
    operations: list[Operation] = []
    for granted in outcomes:
        if isinstance(granted, _Granted):
            operation = add_subscription(session, granted.request, granted.qos, packet.subscription_id)
            if session.persistent:
                operations.append(operation)
            else:
                operations += subscribe_transient(broker, subscription_of(session, operation))
    if broker.cluster.replicates and not operations and any(isinstance(o, _Granted) for o in outcomes):
        operations.append(Barrier())  # what was acknowledged before this SUBSCRIBE is retained by then
    broker.after(
        channel,
        operations,
        lambda: _answer(broker, channel, packet, info, _without_refused(broker, session, outcomes, operations)),
        everywhere=bool(operations),
        failed=(lambda: _refuse(broker, channel, packet, info, outcomes)) if broker.cluster.replicates else None,
    )


def _without_refused(
    broker: "Broker", session: Session, outcomes: list[_Granted | int], operations: list[Operation]
) -> list[_Granted | int]:
    """Limited subscriptions that came too late: somebody at another node was there a moment before."""
    refused = {o.key for o in operations if isinstance(o, (AddSubscription, AddMember)) and o.refused}
    if not refused:
        return outcomes
    if not session.persistent:
        for key in refused:
            for operation in unsubscribe_transient(broker, session, key):
                broker.cluster.propose(operation)
    return [
        codes.QUOTA_EXCEEDED if isinstance(o, _Granted) and o.request.topic_filter in refused else o for o in outcomes
    ]


def _refuse(
    broker: "Broker", channel: Channel, packet: Subscribe, info: ClientInfo, outcomes: list[_Granted | int]
) -> None:
    """Nobody knows whether what was granted will be entered: if it is, it is taken out again right behind."""
    session = channel.session
    if session is None:
        return
    for outcome in outcomes:
        if isinstance(outcome, _Granted) and not outcome.existing:
            key = outcome.request.topic_filter
            if session.persistent:
                broker.cluster.propose(RemoveSubscription(session.client_id, key, session.epoch))
            else:
                for operation in unsubscribe_transient(broker, session, key):
                    broker.cluster.propose(operation)
    refused: list[_Granted | int] = [o if isinstance(o, int) else codes.QUOTA_EXCEEDED for o in outcomes]
    _answer(broker, channel, packet, info, refused)


def subscribe_transient(broker: "Broker", subscription: Subscription) -> list[ClusterOperation]:
    """Enter a subscription of a session that isn't kept; what other nodes have to know of it."""
    replaced = subscribe(broker.ctx.router, subscription)
    return broker.routes.entered(subscription, replaced)


def unsubscribe_transient(broker: "Broker", session: Session, key: str) -> list[ClusterOperation]:
    """Remove a subscription of a session that isn't kept; what other nodes have to know of it."""
    subscription = unsubscribe(broker.ctx.router, session, key)
    return [] if subscription is None else broker.routes.left(subscription)


def _grant(
    broker: "Broker", channel: Channel, session: Session, decisions: list[SubscriptionRequest | int]
) -> list[_Granted | int]:
    """What becomes of each filter: granted, or refused with a reason code."""
    limits = channel.limits
    outcomes: list[_Granted | int] = []
    keys: set[str] = set()
    for decision in decisions:
        if isinstance(decision, int):
            outcomes.append(decision)
            continue
        key = decision.topic_filter
        is_new = session.find_subscription(key) is None
        full = is_new and key not in keys and limits.max_subscriptions
        if (
            (full and session.subscription_count() + len(keys) >= limits.max_subscriptions)
            or ((session.persistent or broker.cluster.replicates) and broker.ctx.storage == STORAGE_FAILED)
            or not has_room(broker, session, key)
        ):
            outcomes.append(codes.QUOTA_EXCEEDED)
        else:
            existing = not is_new or key in keys
            if is_new:
                keys.add(key)
            outcomes.append(_Granted(decision, min(decision.qos, limits.max_qos_allowed), existing=existing))
    return outcomes


def _answer(
    broker: "Broker", channel: Channel, packet: Subscribe, info: ClientInfo, outcomes: list[_Granted | int]
) -> None:
    """All that was granted is entered: say so, then send the retained messages."""
    session = channel.session
    if session is None:
        return
    counters = broker.counters
    reasons: list[int] = []
    replays: list[RetainedReplay] = []
    ids = [packet.subscription_id] if packet.subscription_id else None
    for outcome in outcomes:
        if isinstance(outcome, int):
            counters.client_subscribe_error += 1
            reasons.append(outcome if channel.version == codes.V5 else codes.V3_SUBSCRIBE_FAILURE)
            continue
        counters.client_subscribe += 1
        counters.session_subscribed += 1
        request = outcome.request
        reasons.append(outcome.qos)
        subscription = session.find_subscription(request.topic_filter)
        if subscription is None:
            continue
        if broker.chains.session_subscribed.handlers:
            chains.session_subscribed(broker.chains, info, subscription)
        wants_retained = request.retain_handling == 0 or (request.retain_handling == 1 and not outcome.existing)
        if wants_retained and not subscription.share_group:
            # [MQTT-3.3.1-9, -10, -11]; never for shared subscriptions (4.8.2)
            replays.append(replay_for(broker, subscription, outcome.qos, ids))
    counters.packets_suback_sent += 1
    broker.ctx.send(channel, encode_suback(Suback(packet.packet_id, reasons), channel.version, channel.max_packet_size))
    if replays:
        if channel.retained is None:
            channel.retained = replays
        else:
            channel.retained.extend(replays)
        pump(broker.ctx, channel)


def replay_for(
    broker: "Broker", subscription: Subscription, qos: int, subscription_ids: list[int] | None
) -> RetainedReplay:
    """The retained messages for a new subscription, with those that were routed before it and are kept in a moment."""
    topic_filter = subscription.topic_filter
    early = [
        message
        for message in broker.ctx.retaining.values()
        if message.payload and matches(topic_filter, message.topic) and not _comes_anyway(subscription, message, qos)
    ]
    return RetainedReplay(topic_filter, qos, subscription_ids, early)


def _comes_anyway(subscription: Subscription, message: Message, qos: int) -> bool:
    """A persistent session gets a message when it is applied, and that comes after its subscription."""
    session = subscription.session
    if not session.persistent or not min(qos, message.qos):
        return False
    return not subscription.no_local or session.client_id != message.publisher


def handle_unsubscribe(broker: "Broker", channel: Channel, packet: Unsubscribe) -> None:
    """Remove each filter that is there; messages already on their way still arrive [MQTT-3.10.4-3]."""
    broker.counters.packets_unsubscribe_received += 1
    info = channel.info
    if info is None:
        return
    if channel.version != codes.V5 and not all(is_valid_topic_filter(f) for f in packet.topic_filters):
        disconnect.close(broker, channel, codes.TOPIC_FILTER_INVALID, "topic filter invalid")
        return
    hooks = broker.chains
    if not hooks.client_unsubscribe.waits:
        filters = [
            chains.client_unsubscribe(hooks, info, key) if hooks.client_unsubscribe.handlers else key
            for key in packet.topic_filters
        ]
        _complete_unsubscribe(broker, channel, packet, info, filters)
        return

    async def work() -> Callable[[], None]:
        late: list[str | None] = [
            await broker.runner.run_filter("client_unsubscribe", info, topic_filter)
            for topic_filter in packet.topic_filters
        ]
        return lambda: _complete_unsubscribe(broker, channel, packet, info, late)

    broker.wait(channel, work)


def _complete_unsubscribe(
    broker: "Broker", channel: Channel, packet: Unsubscribe, info: ClientInfo, filters: list[str | None]
) -> None:
    session = channel.session
    if session is None:
        return
    reasons: list[int] = []
    removed: dict[str, Subscription] = {}
    for key in filters:
        if key is None:
            reasons.append(codes.UNSPECIFIED_ERROR)
            continue
        broker.counters.client_unsubscribe += 1
        if not is_valid_topic_filter(key):
            reasons.append(codes.TOPIC_FILTER_INVALID)
            continue
        subscription = session.find_subscription(key)
        if subscription is None or key in removed:
            reasons.append(codes.NO_SUBSCRIPTION_EXISTED)  # [MQTT-3.11.3-2]
        elif session.persistent and broker.ctx.storage == STORAGE_FAILED:
            reasons.append(codes.UNSPECIFIED_ERROR)
        else:
            removed[key] = subscription
            reasons.append(codes.SUCCESS)
    operations: list[Operation] = []
    for key in removed:
        if session.persistent:
            operations.append(RemoveSubscription(session.client_id, key, session.epoch))
        else:
            for operation in unsubscribe_transient(broker, session, key):
                broker.cluster.propose(operation)
    broker.after(channel, operations, lambda: _answer_unsubscribe(broker, channel, packet, info, reasons, removed))


def _answer_unsubscribe(
    broker: "Broker",
    channel: Channel,
    packet: Unsubscribe,
    info: ClientInfo,
    reasons: list[int],
    removed: dict[str, Subscription],
) -> None:
    if channel.retained is not None:
        gone = {subscription.topic_filter for subscription in removed.values() if not subscription.share_group}
        channel.retained = [replay for replay in channel.retained if replay.topic_filter not in gone] or None
    for subscription in removed.values():
        broker.counters.session_unsubscribed += 1
        if broker.chains.session_unsubscribed.handlers:
            chains.session_unsubscribed(broker.chains, info, subscription)
    broker.counters.packets_unsuback_sent += 1
    unsuback = Unsuback(packet.packet_id, reasons)
    broker.ctx.send(channel, encode_unsuback(unsuback, channel.version, channel.max_packet_size))
