"""The broker of one node: owns the state and the tables, and offers what listeners, plugins and management call."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from rmq.engine import addressed
from rmq.engine.account_watch import AccountWatch
from rmq.engine.applied import AppliedEvents
from rmq.engine.bans import BanList
from rmq.engine.claims import Claims
from rmq.engine.client_registry import ClientRegistry
from rmq.engine.connection_log import ConnectionLog
from rmq.engine.delayed import DelayedMessages
from rmq.engine.draining import Draining
from rmq.engine.late_timers import LateTimers
from rmq.engine.limited import LimitedSubscriptions
from rmq.engine.local_routes import LocalRoutes
from rmq.engine.ports import ClusterPort
from rmq.engine.queue_census import SESSIONS_AT_ONCE, SESSIONS_PER_TICK, QueueCensus
from rmq.engine.session_timers import WillDelay
from rmq.engine.solo import SoloPort
from rmq.engine.storage_waits import StorageWaits
from rmq.engine.timers import Timer, TimerWheel
from rmq.flow import inbound
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, FlowContext
from rmq.flow.ports import FlowPorts
from rmq.flow.route import route
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.metrics.gauges import Stats
from rmq.metrics.rates import Rate
from rmq.mqtt import codes
from rmq.mqtt.message import AddressedMessage, Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.channel import CLOSING, CONNECTING, Channel
from rmq.session.limits import ACK_QUORUM
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.records import AddSubscription, Configure, Operation
from rmq.storage.state import State

if TYPE_CHECKING:
    from rmq.hooks.async_runner import AsyncRunner

log = structlog.get_logger(__name__)

Spawn = Callable[[Callable[[], Awaitable[None]]], None]


class BrokerOptions:
    """Options of a node that aren't a listener's; 0 means no limit."""

    def __init__(self) -> None:
        self.node_id = 1
        self.max_sessions = 0
        self.max_retained = 0
        self.max_retained_payload = 0
        self.retained_ttl_s = 0
        self.allow_multiple_matches = False
        self.storage_timeout_s = 5.0
        self.ack_policy = ACK_QUORUM
        self.memory_budget = 0
        self.session_memory_budget = 0
        self.shared_subscription_strategy = "round_robin"
        self.delayed_count = 100_000
        self.delayed_bytes = 256 * 1024 * 1024
        self.delayed_immediate = False

    def rules(self) -> Configure:
        """What this node has the state go by, which in a cluster all nodes share."""
        return Configure(self.allow_multiple_matches, self.max_retained, self.max_retained_payload)


class Broker:
    """Everything of one node's engine. All calls come from the one trio thread.

    ``clock`` gives seconds since 1970 and never goes back; ``spawn`` runs an async function in the node's nursery;
    ``flush`` is set by ``net``: it sends what was written outside of a reactor turn. ``turn_storage`` is called at the
    end of each turn, before that. ``own_rules`` are what it has the state go by when it starts or joins.
    """

    def __init__(
        self,
        options: BrokerOptions,
        chains: HookChains,
        counters: Counters,
        runner: "AsyncRunner",
        clock: Callable[[], float],
        ports: FlowPorts,
    ) -> None:
        self.options = options
        self.own_rules: Callable[[], Configure] = options.rules
        self.node_id = options.node_id
        self.chains = chains
        self.counters = counters
        self.runner = runner
        self.clock = clock
        self.stats = Stats()
        self.census = QueueCensus(self._sessions, self.stats, lambda: self.state.node_id != 0, self._is_at_home)
        self._connect_rate = Rate()
        router = Router(
            options.allow_multiple_matches, strategy=options.shared_subscription_strategy, seed=options.node_id
        )
        self.ctx = FlowContext(router, RetainedTrie(), counters, chains, ports)
        self.ctx.now = clock()
        self.ctx.memory_budget = options.memory_budget
        self.ctx.session_memory_budget = options.session_memory_budget
        self.state = State(self.ctx, options.max_retained, options.max_retained_payload)
        self.state.events = AppliedEvents(self)
        self.cluster: ClusterPort = SoloPort(self.state)
        self.registry = ClientRegistry()
        self.claims = Claims()
        self.limited = LimitedSubscriptions(router, self.state.cluster)
        self.routes = LocalRoutes()
        self.connection_log = ConnectionLog()
        self.storage_waits = StorageWaits(self, options.storage_timeout_s)
        self.timers = TimerWheel(self.ctx.now, lambda: self.report_bug(None, "in a timer"))
        self.delayed = DelayedMessages(
            self, options.delayed_count, options.delayed_bytes, publish_at_once=options.delayed_immediate
        )
        self.keepalive_timers: dict[Channel, Timer] = {}
        self.login_timers: dict[Channel, Timer] = {}
        self.persistent_connected = 0
        self.busy = False  # new CONNECTs are refused
        self.rate_waits: set[Channel] = set()
        self.draining = Draining(self)
        self.observers: list[Callable[[Message], None]] = []
        self.session_timers: dict[str, Timer] = {}
        self.will_timers: dict[str, WillDelay] = {}
        self.late_timers = LateTimers(self)
        self.account_watch = AccountWatch(self)
        self.bans = BanList(self)
        self.spawn: Spawn = _no_nursery
        self.flush: Callable[[], None] = _nothing
        self.turn_storage: Callable[[], None] = _nothing

    def touch_clock(self) -> float:
        """Bring the flow's time up to date; done before anything that didn't come from the reactor."""
        self.ctx.now = self.clock()
        return self.ctx.now

    def publish(self, message: Message, receipt: Receipt | None = None) -> int:
        """Publish for the node itself, a will, a plugin or the API; returns how many sessions matched.

        -1 means that it is stored, and delivered, later: the receipt is told.
        """
        if isinstance(message, AddressedMessage):
            return addressed.route(self, message, receipt)
        return route(self.ctx, message, receipt)

    def observe(self, told: Callable[[Message], None]) -> Callable[[], None]:
        """Have ``told`` called with every message that is published here, before it is routed; answers what ends that.

        It is on the way of every message: all it may do is put it aside.
        """
        self.observers = [*self.observers, told]
        self.ctx.observed = True

        def end() -> None:
            self.observers = [other for other in self.observers if other is not told]

        return end

    def wait(self, channel: Channel, work: Callable[[], Awaitable[Callable[[], None] | None]]) -> None:
        """Pause a channel while ``work`` runs in a task; then do what it returned, and go on with what is behind."""
        channel.paused = True
        handshakes = self.stats.handshakes_active if channel.state == CONNECTING else None

        async def run() -> None:
            then: Callable[[], None] | None = None
            if handshakes is not None:
                handshakes.inc()
            try:
                then = await work()
            except Exception:
                self.report_bug(channel, "while a packet waited for a hook")
            finally:
                if handshakes is not None:
                    handshakes.dec()
            self.touch_clock()
            self.go_on(channel, then)
            self.flush()

        self.spawn(run)

    def go_on(self, channel: Channel, then: Callable[[], None] | None) -> None:
        """End a channel's pause: do what it paused for, then handle what came after."""
        channel.paused = False
        try:
            if then is not None and channel.state < CLOSING:
                then()
            if channel.state < CLOSING and not channel.paused:
                inbound.resume(self.ctx, channel)
                if not channel.paused:
                    channel.transport.resume_reading()
        except Exception:
            self.report_bug(channel, "in a packet that had waited")

    def after(
        self,
        channel: Channel,
        operations: list[Operation],
        then: Callable[[], None],
        *,
        everywhere: bool = False,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Propose operations for a channel, and do ``then`` when all are applied; the channel is paused meanwhile.

        ``everywhere``: applied on every node that isn't down. ``failed`` is done instead when nobody knows in time;
        without it the channel is closed.
        """
        limited = self.limited.propose(operations)
        for operation in operations[:-1]:
            self.cluster.propose(operation)
        receipt = _Continue(self, channel, then, limited, failed)
        receipt.everywhere = everywhere
        if not operations or self.cluster.propose(operations[-1], receipt):
            self.limited.settled(limited)
            then()
        else:
            channel.paused = True

    def report_bug(self, channel: Channel | None, where: str) -> None:
        """Log the exception being handled with its context, count it, and give up the one connection it is about."""
        self.counters.internal_errors += 1
        info = None if channel is None else channel.info
        log.error("bug", where=where, client_id=None if info is None else info.client_id[:64], exc_info=sys.exc_info())
        if channel is None:
            return
        if channel.state >= CLOSING:
            channel.transport.abort()  # what was to be said can't be: the bug is in saying it
        else:
            self.ctx.ports.close(channel, codes.IMPLEMENTATION_SPECIFIC_ERROR, "internal error")

    def advance_timers(self) -> None:
        """Fire what is due, and send what that wrote."""
        now = self.touch_clock()
        self.account_watch.look()
        self.timers.advance(now)
        self.flush()
        self.sample_gauges()
        if self.census.is_under_way:
            self.census.count(SESSIONS_PER_TICK)
        if self._connect_rate.sample(now, self.counters.client_connect):
            self.stats.handshakes_rate.set(round(self._connect_rate.per_second()))
            self.ctx.measure_next()

    def sample_gauges(self) -> None:
        """The gauges that cost nothing to read; often, because their ``max`` must not miss a peak."""
        stats = self.stats
        router = self.ctx.router
        stats.connections.set(len(self.registry))
        stats.sessions.set(self.session_count())
        if self.state.node_id == 0:  # else the census counts them
            stats.subscriptions.set(router.subscription_count)
            stats.subscriptions_shared.set(router.shared_count)
        stats.topics.set(router.topics)
        stats.routes.set(router.topics)
        stats.retained.set(self.ctx.retained.count)
        stats.storage_failed.set(1 if self.ctx.storage == STORAGE_FAILED else 0)
        stats.storage_held.set(1 if self.ctx.storage == STORAGE_HELD else 0)
        stats.storage_bytes.set(self.cluster.disk_bytes)
        stats.storage_queued_bytes.set(self.ctx.queued_bytes)
        stats.delayed_publishes.set(len(self.state.delayed))

    def queue_of(self, client_id: str) -> tuple[int, int, float]:
        """Of a kept session: deliveries that aren't complete, the bytes of their payloads, seconds since the oldest."""
        session = self.state.sessions.get(client_id)
        outbound = None if session is None else session.outbound
        if outbound is None or not outbound.deliveries:
            return 0, 0, 0.0
        oldest = next(iter(outbound.deliveries.values())).message.created_at
        return len(outbound), outbound.payload_bytes, max(self.clock() - oldest, 0.0)

    def session_count(self) -> int:
        """How many sessions this node has, with and without a connection."""
        return len(self.registry) + self.state.count_at_home() - self.persistent_connected

    def refresh_stats(self) -> Stats:
        """The gauges; those of queues are as old as ``QueueCensus`` says when there are many sessions."""
        self.sample_gauges()
        self.census.count(SESSIONS_AT_ONCE)
        return self.stats

    def _is_at_home(self, session: Session) -> bool:
        return self.state.is_at_home(session)

    def _sessions(self) -> list[Session]:
        sessions = list(self.state.sessions.values())
        for channel in self.registry:
            session = channel.session
            if session is not None and not session.persistent:
                sessions.append(session)
        return sessions


class _Continue(Receipt):
    """Ends the pause of a channel; the limited subscriptions are settled whether it is still there or not."""

    def __init__(
        self,
        broker: Broker,
        channel: Channel,
        then: Callable[[], None],
        limited: list[AddSubscription],
        failed: Callable[[], None] | None,
    ) -> None:
        super().__init__(channel.needs_sync)
        self._failed = failed
        self._gave_up = False
        self._limited = limited
        self._broker = broker
        self._channel = channel
        self._then = then

    def applied(self) -> None:
        self._broker.limited.settled(self._limited)
        if not self._gave_up:
            self._broker.go_on(self._channel, self._then)

    def give_up(self) -> None:
        if self._gave_up:
            return
        if self._failed is not None:
            self._gave_up = True
            self._broker.go_on(self._channel, self._failed)
            return
        self._broker.ctx.ports.close(self._channel, codes.SERVER_UNAVAILABLE, self._broker.ctx.no_answer)


def _nothing() -> None:
    """Until ``net`` is there nothing can be sent, and without a journal nothing is to be written."""


def _no_nursery(work: Callable[[], Awaitable[None]]) -> None:
    raise RuntimeError("the broker isn't running")
