"""The state: persistent sessions and retained messages, changed by applying operations and in no other way.

Deterministic: no clock, no chance, no I/O. The same operations in the same order give the same state on every node.
A session whose connection is on this node is served at once from what was applied; that is the one effect outside.
"""

from rmq.flow.context import FlowContext
from rmq.flow.deliver import enqueue, removed
from rmq.flow.payloads import hold, release
from rmq.mqtt.message import Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.session import Session
from rmq.storage.account_records import DONE, DeleteAccount, PutAccount
from rmq.storage.accounts import Accounts
from rmq.storage.cluster_records import MoveDelivery
from rmq.storage.cluster_state import ClusterState
from rmq.storage.events import StateEvents, StateWatcher
from rmq.storage.member_delivery import move_delivery, store_for_member
from rmq.storage.packet_ids import skip_packet_ids
from rmq.storage.records import (
    AddSubscription,
    CloseSession,
    Configure,
    DelayMessage,
    DeleteRetained,
    EndSession,
    EnqueueMessage,
    OpenSession,
    Operation,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelayed,
    RemoveDelivery,
    RemoveSubscription,
    RemoveWill,
    SkipPacketIds,
    StoreMessage,
)
from rmq.storage.retaining import delete_retained, set_retained
from rmq.storage.session_lives import close_session, open_session
from rmq.storage.subscriptions import subscribe, subscription_of, unsubscribe, unsubscribe_all


class State:
    """``sessions`` holds the persistent ones by client id; the router and the retained trie are shared with the flow.

    ``max_retained`` and ``max_retained_payload`` are limits of the retained store, 0 for none: over the first only
    topics that have a message may be replaced, a payload over the second is delivered but not retained. ``delayed`` has
    messages that are published later, by key, with the time. ``last_epoch`` is the highest epoch ever granted.
    ``is_own``: what is being applied was proposed here, so that it is counted here and nowhere else.
    ``accounts`` is replaced as a whole by another node's snapshot: look it up each time.
    ``watcher`` is a snapshot that is being written, ``digesting`` a digest that is being taken, ``snapshot`` and
    ``digest_number`` are the numbers of the last of each. ``node_id`` is this node, 0 while it is alone; ``cluster`` is
    what only a cluster keeps.
    """

    __slots__ = (
        "accounts",
        "cluster",
        "ctx",
        "delayed",
        "digest_number",
        "digesting",
        "events",
        "is_own",
        "last_epoch",
        "max_retained",
        "max_retained_payload",
        "node_id",
        "retained",
        "router",
        "sessions",
        "snapshot",
        "watcher",
    )

    def __init__(self, ctx: FlowContext, max_retained: int, max_retained_payload: int) -> None:
        self.ctx = ctx
        self.router: Router = ctx.router
        self.retained: RetainedTrie = ctx.retained
        self.sessions: dict[str, Session] = {}
        self.max_retained = max_retained
        self.max_retained_payload = max_retained_payload
        self.delayed: dict[str, DelayMessage] = {}
        self.last_epoch = 0
        self.snapshot = 0
        self.watcher: StateWatcher | None = None
        self.digest_number = 0
        self.digesting: StateWatcher | None = None
        self.node_id = 0
        self.is_own = True
        self.events = StateEvents()
        self.accounts = Accounts()
        self.cluster = ClusterState(self)

    def apply(self, operation: Operation) -> None:
        """Apply one operation; one that names what isn't there any more does nothing."""
        if isinstance(operation, StoreMessage):
            self._store(operation)
        elif isinstance(operation, RemoveDelivery):
            self._remove_delivery(operation)
        elif isinstance(operation, ReleaseDelivery):
            session = self.changing_in(operation.client_id, operation.epoch)
            if session is not None and session.outbound is not None:
                session.outbound.release(operation.packet_id)
        elif isinstance(operation, ReleaseInbound):
            session = self.changing_in(operation.client_id, operation.epoch)
            if session is not None:
                session.remove_inbound_qos2(operation.packet_id)
        elif isinstance(operation, EnqueueMessage):
            self._enqueue(operation)
        elif isinstance(operation, OpenSession):
            open_session(self, operation)
        elif isinstance(operation, CloseSession):
            close_session(self, operation)
        elif isinstance(operation, EndSession):
            session = self.sessions.get(operation.client_id)
            if session is not None and session.epoch == operation.epoch:
                self.forget(session)
            self.cluster.release(operation.client_id, operation.epoch)
        elif isinstance(operation, RemoveWill):
            session = self.changing(operation.client_id)
            if session is not None and session.epoch == operation.epoch:
                session.will = None
                session.will_due_at = 0.0
        elif isinstance(operation, AddSubscription):
            self._add_subscription(operation)
        elif isinstance(operation, RemoveSubscription):
            session = self.changing_in(operation.client_id, operation.epoch)
            if session is not None:
                unsubscribe(self.router, session, operation.key)
        elif isinstance(operation, DelayMessage):
            if not self._is_stale(operation.publisher, operation.epoch) and not self._is_duplicate(
                operation.publisher, operation.packet_id
            ):
                self.delayed[operation.key] = operation
                self.events.delayed(operation)
        elif isinstance(operation, RemoveDelayed):
            self.delayed.pop(operation.key, None)
        elif isinstance(operation, DeleteRetained):
            delete_retained(self.retained, operation)
        elif isinstance(operation, Configure):
            self.configure(operation)
        elif isinstance(operation, SkipPacketIds):
            skip_packet_ids(self)
        elif isinstance(operation, PutAccount):
            self.accounts.put(operation)
            if operation.outcome == DONE:
                self.events.account_changed(operation.kind, operation.name)
        elif isinstance(operation, DeleteAccount):
            self.accounts.delete(operation)
            if operation.outcome == DONE:
                self.events.account_changed(operation.kind, operation.name)
        else:
            self.cluster.apply(operation)

    def configure(self, operation: Configure) -> None:
        """Apply by these rules from here on."""
        self.router.set_allow_multiple_matches(operation.allow_multiple_matches)
        self.max_retained = operation.max_retained
        self.max_retained_payload = operation.max_retained_payload

    def rules(self) -> Configure:
        """The rules in force."""
        return Configure(self.router.allow_multiple_matches, self.max_retained, self.max_retained_payload)

    def clear(self) -> None:
        """Forget everything."""
        for session in list(self.sessions.values()):
            self.forget(session)
        self.retained.clear()
        self.delayed.clear()
        self.accounts = Accounts()
        self.cluster.clear()
        self.last_epoch = 0

    def exchange(self, other: "State") -> None:
        """Take all that another state keeps, which gets what this one has: both stand for the same node."""
        self.sessions, other.sessions = other.sessions, self.sessions
        self.delayed, other.delayed = other.delayed, self.delayed
        self.accounts, other.accounts = other.accounts, self.accounts
        self.last_epoch, other.last_epoch = other.last_epoch, self.last_epoch
        self.max_retained, other.max_retained = other.max_retained, self.max_retained
        self.max_retained_payload, other.max_retained_payload = other.max_retained_payload, self.max_retained_payload
        self.digesting = None
        self.snapshot, other.snapshot = other.snapshot, self.snapshot  # goes with the sessions that have its mark
        self.router.exchange(other.router)
        self.retained.exchange(other.retained)
        self.cluster.exchange(other.cluster)
        self.ctx.exchange_queues(other.ctx)

    def is_at_home(self, session: Session) -> bool:
        """Whether this node answers for a session: it has the connection, had it last, or stands in for who had."""
        return self.node_id == 0 or self.cluster.home_of(session.node) == self.node_id

    def count_at_home(self) -> int:
        """How many sessions this node answers for."""
        if self.node_id == 0:
            return len(self.sessions)
        count = 0
        for node, sessions in self.cluster.session_counts.items():
            if self.cluster.home_of(node) == self.node_id:
                count += sessions
        return count

    def restore_session(self, session: Session) -> None:
        """Enter a session that a snapshot had."""
        self.sessions[session.client_id] = session
        self.cluster.count_session(session.node, 1)
        session.snapshot = self.snapshot
        session.remote = session.node != 0 and session.node != self.node_id
        if session.subscriptions is not None:
            for subscription in session.subscriptions.values():
                self.router.add(subscription)
        outbound = session.outbound
        if outbound is not None:
            for delivery in outbound.deliveries.values():
                hold(self.ctx, outbound, delivery.message)

    def changing(self, client_id: str) -> Session | None:
        """The session of a client id, which is about to change."""
        session = self.sessions.get(client_id)
        if session is not None and (self.watcher is not None or self.digesting is not None):
            self.change(session)
        return session

    def change(self, session: Session) -> None:
        """A session is about to change: tell those who want to see it as it was."""
        if self.watcher is not None and session.snapshot != self.snapshot:
            self.watcher.before_session(session)
        if self.digesting is not None and session.digested != self.digest_number:
            self.digesting.before_session(session)

    def changing_in(self, client_id: str, epoch: int) -> Session | None:
        """The same, while ``epoch`` is that of its last claim (-1: whichever it is)."""
        if epoch >= 0 and epoch < self.cluster.epoch_of(client_id):
            return None
        return self.changing(client_id)

    def _is_stale(self, publisher: str, epoch: int) -> bool:
        """Whether another connection of a publisher has claimed its session since."""
        return publisher != "" and epoch >= 0 and epoch < self.cluster.epoch_of(publisher)

    def _is_duplicate(self, publisher: str, packet_id: int) -> bool:
        """Keep a QoS 2 packet identifier; True if it is kept already: the message was stored before [MQTT-4.3.3-10]."""
        session = self.changing(publisher) if publisher else None
        if session is None:
            return False
        if session.has_inbound_qos2(packet_id):
            return True
        session.add_inbound_qos2(packet_id)
        return False

    def _remove_delivery(self, operation: RemoveDelivery) -> None:
        session = self.changing_in(operation.client_id, operation.epoch)
        outbound = None if session is None else session.outbound
        if outbound is None:
            return
        delivery = outbound.remove(operation.packet_id)
        if session is not None and delivery is not None:
            removed(self.ctx, session, outbound, delivery)

    def move_delivery(self, operation: MoveDelivery) -> None:
        """Give what waits for a member of a share group to another one."""
        move_delivery(self, operation)

    def _enqueue(self, operation: EnqueueMessage) -> None:
        if operation.share:
            store_for_member(self, operation.message, operation.share, operation.client_id)
            return
        session = self.changing_in(operation.client_id, operation.epoch)
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

    def _store(self, operation: StoreMessage) -> None:
        message = operation.message
        publisher = operation.publisher
        # Who is connected elsewhere by now sends the message again there.
        is_duplicate = self._is_stale(publisher, operation.epoch) or self._is_duplicate(publisher, operation.packet_id)
        if message is None:
            return
        if message.retain:
            retaining = self.ctx.retaining
            if retaining and retaining.get(message.topic) is message:
                del retaining[message.topic]
        if is_duplicate:
            return
        self._keep(message, operation.chosen)
        if publisher and self.node_id:
            self.events.deliver(message, operation.chosen)

    def publish(self, message: Message, chosen: list[str] | None) -> None:
        """Keep a message and have every node deliver it to its own connections."""
        self._keep(message, chosen)
        self.events.deliver(message, chosen)

    def _keep(self, message: Message, chosen: list[str] | None) -> None:
        if message.retain:
            set_retained(self, message)
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
                if self.watcher is not None or self.digesting is not None:
                    self.change(session)
                retain = message.retain and target.retain_as_published
                enqueue(ctx, session, message, qos, retain, target.subscription_ids, "")
        if chosen is not None:
            for i in range(0, len(chosen), 2):
                store_for_member(self, message, chosen[i], chosen[i + 1])

    def forget(self, session: Session) -> None:
        """A session ends, and whatever it has goes with it."""
        self.changing(session.client_id)
        del self.sessions[session.client_id]
        self.cluster.count_session(session.node, -1)
        unsubscribe_all(self.router, session)
        outbound = session.outbound
        if outbound is not None:
            for delivery in outbound.deliveries.values():
                release(self.ctx, outbound, delivery.message)

    def _add_subscription(self, operation: AddSubscription) -> None:
        session = self.changing_in(operation.client_id, operation.epoch)
        if session is None:
            return
        subscription = subscription_of(session, operation)
        if subscription.limit and self.node_id and not self.cluster.has_room(subscription):
            operation.refused = True
            return
        subscribe(self.router, subscription)
