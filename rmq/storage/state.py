"""The state: persistent sessions and retained messages, changed by applying operations and in no other way.

Deterministic: no clock, no chance, no I/O. The same operations in the same order give the same state on every node.
A session whose connection is on this node is served at once from what was applied; that is the one effect outside.
"""

from rmq.flow.context import FlowContext
from rmq.flow.deliver import enqueue
from rmq.mqtt.message import Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.outbound import Outbound
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.records import (
    AddSubscription,
    CloseSession,
    DeleteRetained,
    EndSession,
    EnqueueMessage,
    OpenSession,
    Operation,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelivery,
    RemoveSubscription,
    RemoveWill,
    StoreMessage,
)


class State:
    """``sessions`` holds the persistent ones by client id; the router and the retained trie are shared with the flow.

    ``max_retained`` and ``max_retained_payload`` are limits of the retained store, 0 for none: over the first only
    topics that have a message may be replaced, a payload over the second is delivered but not retained.
    """

    __slots__ = ("ctx", "max_retained", "max_retained_payload", "retained", "router", "sessions")

    def __init__(self, ctx: FlowContext, max_retained: int, max_retained_payload: int) -> None:
        self.ctx = ctx
        self.router: Router = ctx.router
        self.retained: RetainedTrie = ctx.retained
        self.sessions: dict[str, Session] = {}
        self.max_retained = max_retained
        self.max_retained_payload = max_retained_payload

    def apply(self, operation: Operation) -> None:
        """Apply one operation; one that names what isn't there any more does nothing."""
        if isinstance(operation, StoreMessage):
            self._store(operation)
        elif isinstance(operation, RemoveDelivery):
            outbound = self._outbound(operation.client_id)
            if outbound is not None:
                outbound.remove(operation.packet_id)
        elif isinstance(operation, ReleaseDelivery):
            outbound = self._outbound(operation.client_id)
            if outbound is not None:
                outbound.release(operation.packet_id)
        elif isinstance(operation, ReleaseInbound):
            session = self.sessions.get(operation.client_id)
            if session is not None:
                session.remove_inbound_qos2(operation.packet_id)
        elif isinstance(operation, EnqueueMessage):
            session = self.sessions.get(operation.client_id)
            if session is not None:
                enqueue(
                    self.ctx,
                    session,
                    operation.message,
                    operation.qos,
                    operation.retain,
                    operation.subscription_ids,
                    operation.share,
                )
        elif isinstance(operation, OpenSession):
            self._open_session(operation)
        elif isinstance(operation, CloseSession):
            self._close_session(operation)
        elif isinstance(operation, EndSession):
            self._end_session(operation)
        elif isinstance(operation, RemoveWill):
            session = self.sessions.get(operation.client_id)
            if session is not None and session.epoch == operation.epoch:
                session.will = None
                session.will_due_at = 0.0
        elif isinstance(operation, AddSubscription):
            self._add_subscription(operation)
        elif isinstance(operation, RemoveSubscription):
            session = self.sessions.get(operation.client_id)
            if session is not None:
                unsubscribe(self.router, session, operation.key)
        else:
            self._delete_retained(operation)

    def _outbound(self, client_id: str) -> Outbound | None:
        session = self.sessions.get(client_id)
        return None if session is None else session.outbound

    def _store(self, operation: StoreMessage) -> None:
        message = operation.message
        if operation.publisher:
            publisher = self.sessions.get(operation.publisher)
            if publisher is not None:
                publisher.add_inbound_qos2(operation.packet_id)
        if message is None:
            return
        if message.retain:
            self._retain(message)
        message_qos = message.qos
        if message_qos == 0:
            return
        ctx = self.ctx
        targets = self.router.match(message.topic)
        for target in targets.plain:
            session = target.session
            if not session.persistent:
                continue
            if target.no_local and session.client_id == message.publisher:
                own = target.without_own
                if own is None:
                    continue
                target = own
            qos = target.qos if target.qos < message_qos else message_qos
            if qos:
                retain = message.retain and target.retain_as_published
                enqueue(ctx, session, message, qos, retain, target.subscription_ids, "")
        chosen = operation.chosen
        if chosen is not None:
            for i in range(0, len(chosen), 2):
                self._store_for_member(message, chosen[i], chosen[i + 1])

    def _store_for_member(self, message: Message, key: str, client_id: str) -> None:
        session = self.sessions.get(client_id)
        subscription = None if session is None else session.find_subscription(key)
        if session is None or subscription is None:
            return
        qos = subscription.qos if subscription.qos < message.qos else message.qos
        ids = [subscription.subscription_id] if subscription.subscription_id else None
        retain = message.retain and subscription.retain_as_published
        if qos:
            enqueue(self.ctx, session, message, qos, retain, ids, key)

    def _retain(self, message: Message) -> None:
        if not message.payload:
            self.retained.remove(message.topic)  # [MQTT-3.3.1-6], [MQTT-3.3.1-7]
            return
        if self.max_retained_payload and len(message.payload) > self.max_retained_payload:
            self.ctx.counters.retained_refused += 1
            return
        if self.max_retained and not self._has_room(message.topic):
            self.ctx.counters.retained_refused += 1
            return
        self.ctx.counters.messages_retained += 1
        self.retained.set(message)

    def _has_room(self, topic: str) -> bool:
        # The broker's own figures on $SYS take nobody's place.
        retained = self.retained
        if topic.startswith("$SYS/") or retained.get(topic) is not None:
            return True
        return retained.count - retained.system_count < self.max_retained

    def _delete_retained(self, operation: DeleteRetained) -> None:
        message = self.retained.get(operation.topic)
        if message is not None and (operation.created_at == 0.0 or message.created_at == operation.created_at):
            self.retained.remove(operation.topic)

    def _open_session(self, operation: OpenSession) -> None:
        session = self.sessions.get(operation.client_id)
        if session is not None and session.epoch >= operation.epoch:
            return
        if session is not None and not operation.resume:
            self._forget(session)
            session = None
        if session is None:
            session = Session(operation.client_id, True)
            session.created_at = operation.at
            self.sessions[operation.client_id] = session
        session.epoch = operation.epoch
        session.username = operation.username
        session.protocol_level = operation.protocol_level
        session.expiry_interval = operation.expiry_interval
        session.will = operation.will
        session.will_due_at = 0.0
        session.disconnected_at = 0.0
        session.max_window = operation.window
        session.max_queue = operation.max_queue
        session.drop_newest = operation.drop_newest
        outbound = session.outbound
        if outbound is not None:
            outbound.limit = operation.max_queue
            outbound.drop_newest = operation.drop_newest
            outbound.set_window(operation.window)

    def _close_session(self, operation: CloseSession) -> None:
        session = self.sessions.get(operation.client_id)
        if session is None or session.epoch != operation.epoch:
            return
        session.disconnected_at = operation.at
        session.expiry_interval = operation.expiry_interval
        session.will_due_at = operation.will_due_at
        if session.outbound is not None:
            session.outbound.reserve(operation.inflight)
        if operation.will_due_at == 0.0:
            session.will = None

    def _end_session(self, operation: EndSession) -> None:
        session = self.sessions.get(operation.client_id)
        if session is not None and session.epoch == operation.epoch:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        del self.sessions[session.client_id]
        unsubscribe_all(self.router, session)

    def _add_subscription(self, operation: AddSubscription) -> None:
        session = self.sessions.get(operation.client_id)
        if session is None:
            return
        subscribe(
            self.router,
            Subscription(
                session,
                operation.key,
                operation.topic_filter,
                operation.share_group,
                operation.qos,
                operation.no_local,
                operation.retain_as_published,
                operation.retain_handling,
                operation.subscription_id,
            ),
        )


def subscribe(router: Router, subscription: Subscription) -> None:
    """Enter a subscription in its session and in the router, replacing one with the same filter [MQTT-3.8.4-3]."""
    subscription.session.put_subscription(subscription)
    router.add(subscription)


def unsubscribe(router: Router, session: Session, key: str) -> bool:
    """Take a subscription out of its session and the router; False if there was none."""
    subscription = session.drop_subscription(key)
    if subscription is None:
        return False
    router.remove(subscription)
    return True


def unsubscribe_all(router: Router, session: Session) -> None:
    """Take every subscription of a session that ends out of the router."""
    subscriptions = session.subscriptions
    if subscriptions is None:
        return
    session.subscriptions = None
    for subscription in subscriptions.values():
        router.remove(subscription)
