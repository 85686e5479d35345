"""What is done in the name of an administrator: publish, subscribe, kick, discard, delete retained, change accounts.

Every function changes or proposes at once and returns; a ``Change`` tells when all of it is applied. The caller has
brought the clock up to date before and has what was written sent afterwards (``Broker.touch_clock``, ``Broker.flush``).
No access rule is asked, and no ``client_subscribe`` or ``client_unsubscribe`` handler: an administrator is taken at
the word.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rmq.engine import disconnect, session_end
from rmq.engine.connection_timers import begin_keep_alive
from rmq.engine.filter_rules import add_subscription, has_room, refusal
from rmq.engine.subscribe import replay_for, subscribe_transient, unsubscribe_transient
from rmq.engine.wills import publish_waiting_will, publish_will
from rmq.flow.context import STORAGE_FAILED, STORAGE_READY
from rmq.flow.deliver import pump
from rmq.flow.publish import note_dropped_by_hook
from rmq.hooks import chains
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.mqtt.packets import SubscriptionRequest
from rmq.session.channel import CONNECTED, Channel
from rmq.session.client_info import ClientInfo
from rmq.session.limits import ACK_MEMORY, ACK_QUORUM_FSYNC
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.account_records import DeleteAccount, PutAccount
from rmq.storage.records import AddSubscription, DeleteRetained, EndSession, Operation, RemoveSubscription
from rmq.storage.subscriptions import subscription_of

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class Change:
    """One request of an administrator until everything that it proposed is applied.

    ``refused``: something of it wasn't even proposed, because nothing can be stored. ``unknown``: storage gave up on
    something of it, which may be applied later or never. ``finished`` is called once, at the end.
    """

    def __init__(self, broker: "Broker", finished: Callable[[], None]) -> None:
        self.refused = False
        self.unknown = False
        self._broker = broker
        self._finished = finished
        self._waits_for = 1  # its own beginning, until ``seal``

    def propose(self, operation: Operation, then: Callable[[], None] | None = None) -> None:
        """Propose an operation and do ``then`` once it is applied, maybe at once."""
        if self._broker.ctx.storage == STORAGE_FAILED:
            self.refused = True
            return
        receipt = _Applied(self, then)
        self._waits_for += 1
        if self._broker.cluster.propose(operation, receipt):
            receipt.applied()

    def propose_for_good(self, operation: Operation) -> None:
        """The same for what must hold on every node that isn't down, and survive a loss of power, when it is done."""
        if self._broker.ctx.storage == STORAGE_FAILED:
            self.refused = True
            return
        receipt = _Applied(self, None, synced_only=True)
        receipt.everywhere = True
        self._waits_for += 1
        if self._broker.cluster.propose(operation, receipt):
            receipt.applied()

    def publish(self, message: Message) -> int:
        """Route a message; returns how many sessions it matched, -1 when that is stored later."""
        if self._broker.ctx.storage != STORAGE_READY and _needs_storage(self._broker, message):
            self.refused = True
            return 0
        self._waits_for += 1
        policy = self._broker.options.ack_policy
        receipt = None if policy == ACK_MEMORY else _Applied(self, None, synced_only=policy == ACK_QUORUM_FSYNC)
        matched = self._broker.publish(message, receipt)
        if matched >= 0 or receipt is None:
            self._settle()
        return matched

    def end_session(self, session: Session) -> bool:
        """Discard a persistent session without a connection; False when it can't be."""
        if self._broker.ctx.storage == STORAGE_FAILED:
            self.refused = True
            return False
        session_end.end_session(self._broker, session, codes.ADMINISTRATIVE_ACTION)
        # It does nothing any more: what it is for is its receipt, which tells of the one before too.
        self.propose(EndSession(session.client_id, session.epoch))
        return True

    def seal(self) -> None:
        """Nothing more will be proposed."""
        self._settle()

    def _settle(self) -> None:
        self._waits_for -= 1
        if self._waits_for == 0:
            self._finished()


class _Applied(Receipt):
    """One operation of a change."""

    def __init__(self, change: Change, then: Callable[[], None] | None, *, synced_only: bool = False) -> None:
        super().__init__(synced_only)
        self._change = change
        self._then = then
        self._settled = False

    def applied(self) -> None:
        if self._then is not None:
            self._then()
        self._settle()

    def give_up(self) -> None:
        if not self._settled:
            self._change.unknown = True
            self._settle()

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self._change._settle()


async def run_publish_hooks(broker: "Broker", message: Message) -> Message | None:
    """Take a message through the ``message_publish`` handlers; None: one of them dropped it, which is counted here."""
    chain = broker.chains.message_publish
    if not chain.handlers:
        return message
    if chain.waits:
        filtered = await broker.runner.run_filter("message_publish", None, message)
    else:
        filtered = chains.message_publish(broker.chains, None, message)
    if filtered is None:
        note_dropped_by_hook(broker.ctx, None, message)
    return filtered


def _needs_storage(broker: "Broker", message: Message) -> bool:
    if message.retain:
        return True
    targets = broker.ctx.router.match(message.topic)
    return message.qos > 0 and (targets.kept_qos > 0 or len(targets.groups) > 0)


def kick(broker: "Broker", channel: Channel, change: Change) -> None:
    """Close a client's connection and discard its session; its will is published [MQTT-3.1.2-8]."""
    session = channel.session
    if session is None:
        return
    will = session.will
    outlives = session.persistent and session.expiry_interval > 0
    disconnect.close(broker, channel, codes.ADMINISTRATIVE_ACTION, "kicked by an administrator")
    if outlives and change.end_session(session) and will is not None and will.delay_interval > 0:
        # The others were published when the connection ended; the session's end is the latest moment [MQTT-3.1.3-9].
        publish_will(broker, session, will)


def set_keep_alive(broker: "Broker", channel: Channel, keep_alive: int) -> None:
    """Have another keep alive in force for a connection, in seconds, 0 for none. Its time begins now."""
    if channel.info is not None:
        channel.info.keepalive = keep_alive
    channel.last_read_at = broker.ctx.now
    if keep_alive:
        begin_keep_alive(broker, channel, keep_alive)
        return
    timer = broker.keepalive_timers.pop(channel, None)
    if timer is not None:
        broker.timers.cancel(timer)


def discard(broker: "Broker", session: Session, change: Change) -> None:
    """Discard the session of a client that isn't connected; a will that still waits is published [MQTT-3.1.3-9]."""
    will = session_end.waiting_will(broker, session)
    if will is not None and broker.ctx.storage != STORAGE_FAILED:
        publish_waiting_will(broker, session, will)
    change.end_session(session)


def subscribe_client(
    broker: "Broker", channel: Channel, requests: Sequence[SubscriptionRequest], change: Change
) -> list[int]:
    """Subscribe a connected client; for each filter the granted QoS, or the reason code of its refusal.

    The rules of the client's listener hold as they do for its own SUBSCRIBE. It gets retained messages as if it had
    sent one; it gets no SUBACK.
    """
    session = channel.session
    info = channel.info
    if session is None or info is None:
        return [codes.UNSPECIFIED_ERROR] * len(requests)
    reasons: list[int] = []
    new: set[str] = set()
    for request in requests:
        reason = refusal(channel.limits, request.topic_filter)
        if not reason and not has_room(broker, session, request.topic_filter):
            reason = codes.QUOTA_EXCEEDED
        if not reason and session.persistent and broker.ctx.storage == STORAGE_FAILED:
            reason = codes.QUOTA_EXCEEDED
        known = session.find_subscription(request.topic_filter) is not None or request.topic_filter in new
        limit = channel.limits.max_subscriptions
        if not reason and not known and limit and session.subscription_count() + len(new) >= limit:
            reason = codes.QUOTA_EXCEEDED
        if reason:
            broker.counters.client_subscribe_error += 1
            reasons.append(reason)
            continue
        qos = min(request.qos, channel.limits.max_qos_allowed)
        entered = _Entered(broker, channel, session, info, request, qos, existed=known)
        operation = add_subscription(session, request, qos)
        if session.persistent:
            if not known:
                new.add(request.topic_filter)
            entered.limited = broker.limited.propose([operation])
            change.propose(operation, entered.tell)
        else:
            for route in subscribe_transient(broker, subscription_of(session, operation)):
                change.propose(route)
            entered.tell()
        reasons.append(qos)
    return reasons


class _Entered:
    """A subscription is in force: who wants to know is told, and retained messages are sent."""

    def __init__(
        self,
        broker: "Broker",
        channel: Channel,
        session: Session,
        info: ClientInfo,
        request: SubscriptionRequest,
        qos: int,
        *,
        existed: bool,
    ) -> None:
        self._broker = broker
        self._channel = channel
        self._session = session
        self._info = info
        self._request = request
        self._qos = qos
        self._existed = existed
        self.limited: list[AddSubscription] = []

    def tell(self) -> None:
        """It is entered."""
        broker = self._broker
        broker.limited.settled(self.limited)
        channel = self._channel
        request = self._request
        broker.counters.client_subscribe += 1
        broker.counters.session_subscribed += 1
        subscription = self._session.find_subscription(request.topic_filter)
        if subscription is None:
            return
        if broker.chains.session_subscribed.handlers:
            chains.session_subscribed(broker.chains, self._info, subscription)
        wants_retained = request.retain_handling == 0 or (request.retain_handling == 1 and not self._existed)
        if wants_retained and not subscription.share_group and channel.state == CONNECTED:
            replay = replay_for(broker, subscription, self._qos, None)
            if channel.retained is None:
                channel.retained = [replay]
            else:
                channel.retained.append(replay)
            pump(broker.ctx, channel)


def unsubscribe_client(
    broker: "Broker", session: Session, info: ClientInfo | None, keys: Sequence[str], change: Change
) -> list[int]:
    """Remove subscriptions of a session, connected or not; a reason code for each filter, as written."""
    reasons: list[int] = []
    for key in keys:
        subscription = session.find_subscription(key)
        if subscription is None:
            reasons.append(codes.NO_SUBSCRIPTION_EXISTED)
            continue
        gone = _Removed(broker, session, info, subscription)
        if session.persistent:
            change.propose(RemoveSubscription(session.client_id, key, session.epoch), gone.tell)
        else:
            for route in unsubscribe_transient(broker, session, key):
                change.propose(route)
            gone.tell()
        reasons.append(codes.SUCCESS)
    return reasons


class _Removed:
    """A subscription is gone: owed retained messages are owed no longer, and who wants to know is told."""

    def __init__(self, broker: "Broker", session: Session, info: ClientInfo | None, subscription: Subscription) -> None:
        self._broker = broker
        self._session = session
        self._info = info
        self._subscription = subscription

    def tell(self) -> None:
        """It is removed."""
        broker = self._broker
        channel = self._session.channel
        if channel is not None and channel.retained is not None and not self._subscription.share_group:
            gone = self._subscription.topic_filter
            channel.retained = [replay for replay in channel.retained if replay.topic_filter != gone] or None
        broker.counters.session_unsubscribed += 1
        if self._info is not None and broker.chains.session_unsubscribed.handlers:
            chains.session_unsubscribed(broker.chains, self._info, self._subscription)


def delete_retained(topic: str, change: Change) -> None:
    """Delete the retained message of a topic name, whichever it is."""
    change.propose(DeleteRetained(topic, 0.0))


def change_account(operation: PutAccount | DeleteAccount, change: Change) -> None:
    """Make, change or delete an account; what became of it stands in the operation when it is applied."""
    change.propose_for_good(operation)
